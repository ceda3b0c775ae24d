"""ONNX files that are damaged, hostile, or hold what is not supported."""

from contextlib import suppress

import numpy as np
import pytest

from minidnn import convert, nn
from minidnn.convert import ConversionError

onnx = pytest.importorskip("onnx")
from kit.onnx_models import FLOAT, W, node, proto  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def external():
    model = proto(node("MatMul", "x", "w"), weights={"w": W}.items())
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "../../secret")
    return model


def with_function():
    function = helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    node = helper.make_node("F", ["x"], ["y"], domain="own")
    return proto(node, functions=[function], opset_imports=imports)


def branching():
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])], "g", [], [helper.make_tensor_value_info("z", FLOAT, [])]
    )
    condition = numpy_helper.from_array(np.array(True), "c")
    model = proto(helper.make_node("If", ["c"], ["y"], "choice", then_branch=branch, else_branch=branch))
    model.graph.initializer.append(condition)
    return model


def sized(dims, data_type=FLOAT, raw=b"\0" * 16):
    """A model with a tensor whose dimensions may not match its bytes."""
    model = proto(node("MatMul", "x", "w"))
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.raw_data = "w", data_type, raw
    tensor.dims.extend(dims)
    return model


REFUSED = {
    "external data": (external, "tensor 'w' is external data, which needs the path"),
    "functions": (with_function, "function 'F': functions are not supported"),
    "a subgraph": (branching, r"node 'choice' \(If\): attribute"),
    "an unknown operator": (lambda: proto(node("Sin", "x")), r"node 'n_y' \(Sin\): this operator is not supported"),
    "an old operator set": (lambda: proto(node("Relu", "x"), opset=6), "operator set is 6, must be 7 to"),
    "an operator set of the future": (lambda: proto(node("Relu", "x"), opset=99), "operator set is 99"),
    "an input of bytes": (
        lambda: proto(node("Identity", "x"), inputs=[helper.make_tensor_value_info("x", TensorProto.UINT8, [1])]),
        "input 'x' must be a tensor of float32, int32, int64 or bool",
    ),
    "a constant without a value": (
        lambda: proto(node("Constant", to="c"), node("Add", "x", "c")), "not valid|it has 0 attributes, must have one"),
    "arithmetic of integers": (
        lambda: proto(node("Abs", "x"), inputs=[helper.make_tensor_value_info("x", TensorProto.INT64, [1])]),
        r"\(Abs\): 'x' is int, must be float",
    ),
    "arithmetic of booleans": (
        lambda: proto(node("Less", "x", "x", to="h"), node("Exp", "h")), r"\(Exp\): 'h' is bool, must be float"),
    "a condition of floats": (
        lambda: proto(node("Where", "x", "x", "x")), r"\(Where\): 'x' is float, must be bool"),
    "an unknown attribute": (
        lambda: proto(node("BatchNormalization", "x", *"abcd", is_test=1), opset=7,
                      weights={name: np.ones(4) for name in "abcd"}.items()), "not valid|attribute 'is_test'"),
    "an undefined value": (lambda: proto(node("Relu", "z")), "not valid"),
    "a cycle": (lambda: proto(node("Relu", "y", to="h"), node("Relu", "h")), "not valid"),
    "a shape that is computed": (
        lambda: proto(node("Reshape", "x", "s"), inputs=[
            helper.make_tensor_value_info("x", FLOAT, ["batch", 4]), helper.make_tensor_value_info("s", FLOAT, [2])]),
        r"node 'n_y' \(Reshape\): shape must be a constant",
    ),
    "two sizes to be inferred": (
        lambda: proto(node("Constant", to="s", value_ints=[-1, -1]), node("Reshape", "x", "s")), "is invalid"),
    "alpha below 0": (lambda: proto(node("Elu", "x", alpha=-1.0)), r"\(Elu\): alpha is -1.0, must be positive"),
    "weights of integers": (
        lambda: sized([4, 2], TensorProto.INT64, bytes(64)), r"\(MatMul\): Dense: kernel is int64, must be floating"),
    "a dropout of everything": (
        lambda: proto(node("Dropout", "x", "r"), weights={"r": 1.0}.items()), r"\(Dropout\): .*rate must be in"),
    "an empty kernel": (lambda: proto(node("MatMul", "x", "w"), weights={"w": np.ones((4, 0))}.items()), "MatMul"),
    "a softmax over two axes": (
        lambda: proto(node("Softmax", "x", axis=1), x=("batch", 4, 4), opset=11), "before operator set 13"),
    "dimensions beyond the bytes": (lambda: sized([10**6, 10**6]), "from_onnx"),
    "a negative dimension": (lambda: sized([-1, 4]), "from_onnx"),
    "an overflow": (lambda: sized([2**62, 2**62]), "from_onnx"),
    "a type of the future": (lambda: sized([4], 77), "from_onnx"),
    "complex numbers": (lambda: sized([2], TensorProto.COMPLEX64), "tensor 'w' is COMPLEX64, must be FLOAT"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_unsupported_files_are_refused_by_name(what):
    make, message = REFUSED[what]
    with pytest.raises(ConversionError, match=message):
        convert.from_onnx(make().SerializeToString())


def test_damaged_files(tmp_path):
    path = tmp_path / "model.onnx"
    model = nn.Sequential(nn.Dense(6, 5, "relu"), nn.BatchNorm(5), nn.Dropout(0.5), nn.Dense(5, 3))
    whole = convert.to_onnx(model, path).SerializeToString()
    x = np.ones((2, 6), np.float32)
    expected = convert.from_onnx(path)(x).data
    rng = np.random.default_rng(0)
    for length in [0, 1, 10, len(whole) // 2, len(whole) - 1]:
        with pytest.raises(ConversionError):
            convert.from_onnx(whole[:length])
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        with suppress(ConversionError):  # anything else fails the test
            convert.from_onnx(bytes(damaged))
    assert np.array_equal(convert.from_onnx(whole)(x).data, expected)
    with pytest.raises(FileNotFoundError):
        convert.from_onnx(tmp_path / "none.onnx")
    with pytest.raises(TypeError, match="source must be a path, bytes or a ModelProto, got int"):
        convert.from_onnx(3)
