"""docs/layers.md: its table equals the registry's rows, and its example layer works."""

import re

import numpy as np
import pytest
from kit import CHECKOUT

import minidnn
from minidnn import convert, deploy, nn
from minidnn.activations import ACTIVATIONS
from minidnn.nn.registering import REGISTERED

PAGE = (CHECKOUT / "docs" / "layers.md").read_text()


def test_the_table_is_that_of_the_rows():
    rows = re.findall(r"^\| (\w+) \| (\w+) \| ([\d.]*) ?\| (\w) \|$", PAGE, re.M)
    assert rows == [
        (row.name, row.layer, "" if row.alpha is None else str(row.alpha), row.reads) for row in ACTIVATIONS.values()
    ]


def test_the_layer_is_saved_exported_and_compiled(tmp_path):
    code, _ = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    space = {"__name__": "page"}
    try:
        exec(compile(code, "layers.md", "exec"), space)
        model, x = space["model"].eval(), np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
        minidnn.save(model, tmp_path / "m.safetensors")
        assert np.array_equal(minidnn.load(tmp_path / "m.safetensors")(x).data, model(x).data)
        np.testing.assert_allclose(deploy.compile(model).predict(x), model(x).data, rtol=1e-4, atol=1e-5)
        pytest.importorskip("onnx")
        assert convert.to_onnx(model).graph.node
    finally:
        REGISTERED.pop("Gated", None)


def test_layers_that_the_engine_supports():
    parts = [nn.Rescaling(0.5), nn.Normalization(6), nn.Reshape([6]), nn.GaussianNoise(0.1)]
    deploy.compile(nn.Sequential(*parts, nn.Dense(6, 2)).eval())
    for part in (nn.RMSNorm(6), nn.GroupNorm(2, 6)):
        with pytest.raises((TypeError, ValueError)):
            deploy.compile(nn.Sequential(part, nn.Dense(6, 2)).eval())


def test_the_graph_of_two_outputs_runs():
    _, code = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    space = {"nn": nn, "np": np}
    exec(code, space)
    assert space["y"].names == ("topic", "mood") and [part.shape for part in space["y"]] == [(3, 4), (3, 2)]
