"""ONNX's own node tests (onnx.backend.test), for every operator that `from_onnx` claims."""

import re
from pathlib import Path

import numpy as np
import pytest

from minidnn import convert

onnx = pytest.importorskip("onnx")
import onnx_cases  # noqa: E402
from onnx import version_converter  # noqa: E402

from minidnn.convert.onnx.operators import OPERATORS  # noqa: E402


@pytest.mark.parametrize("name", onnx_cases.claimed())
def test_node(name):
    """The output is ONNX's, or the test is refused for a reason in the table."""
    onnx_cases.outcome(name)


def test_every_operator_has_cases_and_every_reason_occurs():
    assert {onnx_cases.operator_of(case) for case in onnx_cases.claimed().values()} == set(OPERATORS)
    assert set(onnx_cases.outcomes().values()) == {"", *onnx_cases.REASONS.values()}


def test_other_operators_are_refused_by_name():
    others = {
        onnx_cases.operator_of(case): case
        for case in onnx_cases.everything().values()
        if onnx_cases.operator_of(case) not in (*OPERATORS, None)
    }
    for case in others.values():
        with pytest.raises(convert.ConversionError, match="from_onnx: "):
            convert.from_onnx(case.model)


def test_the_table_of_the_page_is_up_to_date():
    _, printed, _ = onnx_cases.parts()
    if f"With onnx {onnx.__version__}:" not in printed:
        pytest.skip(f"the table is of another release of onnx than {onnx.__version__}")
    assert printed == onnx_cases.table(), "python -P tests/onnx_cases.py writes it anew"


EXPORTS = Path(onnx.__file__).parent / "backend" / "test" / "data"
"""Small models that PyTorch exported in 2017, in operator set 6."""

NO_EXPORTS = {
    r"test_operator_add\w*|test_operator_non_float_params": "float64 and integer inputs",
    r"test_\w+Pad2d|test_operator_pad": "onnx's version converter does not turn pads into an input",
    r"test_PReLU_\dd_multiparam": "onnx's version converter leaves slopes that no longer broadcast",
}


def exports():
    for folder in ("pytorch-operator", "pytorch-converted"):
        for path in sorted((EXPORTS / folder).glob("*/model.onnx")):
            known = {node.op_type for node in onnx.load(path).graph.node} <= set(OPERATORS)
            if known and not any(re.fullmatch(pattern, path.parent.name) for pattern in NO_EXPORTS):
                yield path.parent


@pytest.mark.parametrize("folder", list(exports()), ids=lambda folder: folder.name)
def test_a_model_that_pytorch_exported(folder):
    old = onnx.load(folder / "model.onnx")
    if old.opset_import[0].version < 7:
        with pytest.raises(convert.ConversionError, match="operator set is 6, must be 7 to"):
            convert.from_onnx(old)
    model = convert.from_onnx(version_converter.convert_version(old, 17))
    tensors = {
        path.stem: onnx.numpy_helper.to_array(onnx.load_tensor(str(path)))
        for path in sorted((folder / "test_data_set_0").glob("*.pb"))
    }
    expected = [tensors.pop(name) for name in sorted(tensors) if name.startswith("output")]
    with np.errstate(all="ignore"):  # some take the square root of a negative number
        y = model(*tensors.values())
    for part, wanted in zip(y if isinstance(y, tuple) else (y,), expected, strict=True):
        np.testing.assert_allclose(part.data, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 1.0])
def test_every_momentum_is_accepted_in_inference(momentum):
    """PyTorch writes its momentum 0 as 1."""
    helper, numpy_helper, proto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
    rng = np.random.default_rng(0)
    gamma, beta, mean = rng.standard_normal((3, 3)).astype(np.float32)
    var, x = np.abs(rng.standard_normal(3)).astype(np.float32), rng.standard_normal((4, 3)).astype(np.float32)
    weights = [numpy_helper.from_array(a, name) for a, name in ((gamma, "gamma"), (beta, "b"), (mean, "m"), (var, "v"))]
    node = helper.make_node("BatchNormalization", ["x", "gamma", "b", "m", "v"], ["y"], momentum=momentum)
    ends = [[helper.make_tensor_value_info(name, proto.FLOAT, ["n", 3])] for name in "xy"]
    graph = helper.make_graph([node], "g", *ends, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    exact = gamma * (x.astype(np.float64) - mean) / np.sqrt(var + 1e-5) + beta
    np.testing.assert_allclose(convert.from_onnx(model)(x).data, exact, rtol=1e-5, atol=1e-5)
