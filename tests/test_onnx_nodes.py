"""ONNX's own node tests (onnx.backend.test), for every operator that `from_onnx` claims."""

import importlib
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from minidnn import convert

onnx = pytest.importorskip("onnx")
from onnx import version_converter  # noqa: E402

from minidnn.convert.onnx.operators import OPERATORS  # noqa: E402

MODULES = (
    "add", "batch_normalization", "celu", "clip", "concat", "constant", "dropout", "elu", "flatten", "gelu", "gemm",
    "hardsigmoid", "hardswish", "identity", "layernormalization", "leakyrelu", "logsoftmax", "matmul", "mish", "mul",
    "prelu", "relu", "reshape", "selu", "sigmoid", "softmax", "softplus", "softsign", "tanh", "thresholdedrelu",
)  # fmt: skip
"""Where onnx keeps the tests of each operator."""

EXCLUDED = {
    r"(add|mul)_u?int\d+": "integers: tensors here are floating",
    r"batchnorm_\w+_training_mode": "training mode: only inference is imported",
    r"training_dropout\w*": "training mode: only inference is imported",
    r"celu_b?float16": "halves: tensors here are float32",
    r"clip_default_int8_\w+": "integers: tensors here are floating",
    r"clip_min_greater_than_max": "bounds the other way round",
    r"hardsigmoid(_example|_default)?": "another slope than PyTorch's 1/6",
    r"dropout_default_mask\w*": "asks for the mask, which inference does not have",
    r"identity_(sequence|opt)": "sequences and optionals: values here are tensors",
}
"""Names of tests, and why they are none of ours."""

CONSTANT = {"Reshape": (1,), "Dropout": (1, 2), "Clip": (1, 2)}
"""Inputs that are settings, not values: the importer wants them known, so they become initializers."""

ONLY_FIRST_OUTPUT = {"LayerNormalization": "mean and inverse deviation are what training keeps; inference gives Y"}


def cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some tests divide by 0 while they are made
        for name in MODULES:
            importlib.import_module(f"onnx.backend.test.case.node.{name}")
        from onnx.backend.test.case.node import _NodeTestCases

        # The others are of operators imported by other tests, or an operator's definition by smaller ones.
        return {
            case.name.removeprefix("test_"): case
            for case in _NodeTestCases
            if [node.op_type for node in case.model.graph.node] in [[op] for op in OPERATORS]
        }


CASES = cases()


def why_excluded(name):
    return [reason for pattern, reason in EXCLUDED.items() if re.fullmatch(pattern, name)]


def with_settings(case):
    """The model with its settings as initializers, and the inputs that are left."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    (node,) = model.graph.node
    arrays = dict(zip([value.name for value in model.graph.input], case.data_sets[0][0], strict=True))
    for place in CONSTANT.get(node.op_type, ()):
        if place < len(node.input) and node.input[place]:
            name = node.input[place]
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(arrays.pop(name)), name))
            model.graph.input.remove(next(value for value in model.graph.input if value.name == name))
    if node.op_type in ONLY_FIRST_OUTPUT:
        del model.graph.output[1:]
    return model, list(arrays.values())


@pytest.mark.parametrize("name", [name for name in CASES if not why_excluded(name)])
def test_node(name):
    case = CASES[name]
    model, inputs = with_settings(case)
    y = convert.from_onnx(model)(*inputs)
    expected = case.data_sets[0][1][0]
    assert y.data.dtype == expected.dtype and y.shape == expected.shape
    np.testing.assert_allclose(y.data, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in CASES if why_excluded(name)])
def test_what_is_excluded_is_refused(name):
    model, _ = with_settings(CASES[name])
    with pytest.raises(convert.ConversionError, match="from_onnx"):
        convert.from_onnx(model)


def test_every_operator_has_cases_and_every_exclusion_is_needed():
    assert {case.model.graph.node[0].op_type for case in CASES.values()} == set(OPERATORS)
    for pattern in EXCLUDED:
        assert any(re.fullmatch(pattern, name) for name in CASES), pattern


EXPORTS = Path(onnx.__file__).parent / "backend" / "test" / "data"
"""Small models that PyTorch exported in 2017, in operator set 6."""

NO_EXPORTS = {
    r"test_operator_add\w*|test_operator_non_float_params": "float64 and integer inputs",
    r"test_PReLU_\dd_multiparam": "onnx's version converter leaves a slope that no longer broadcasts",
}


def exports():
    for folder in ("pytorch-operator", "pytorch-converted"):
        for path in sorted((EXPORTS / folder).glob("*/model.onnx")):
            known = {node.op_type for node in onnx.load(path).graph.node} <= set(OPERATORS)
            if known and not any(re.fullmatch(pattern, path.parent.name) for pattern in NO_EXPORTS):
                yield path.parent


@pytest.mark.parametrize("folder", list(exports()), ids=lambda folder: folder.name)
def test_what_pytorch_exported(folder):
    old = onnx.load(folder / "model.onnx")
    with pytest.raises(convert.ConversionError, match="operator set is 6, must be 7 to"):
        convert.from_onnx(old)
    model = convert.from_onnx(version_converter.convert_version(old, 17))
    tensors = {
        path.stem: onnx.numpy_helper.to_array(onnx.load_tensor(str(path)))
        for path in sorted((folder / "test_data_set_0").glob("*.pb"))
    }
    expected = tensors.pop("output_0")
    np.testing.assert_allclose(model(*tensors.values()).data, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 1.0])
def test_inference_has_any_momentum(momentum):
    """PyTorch's momentum 0 is written as 1."""
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
