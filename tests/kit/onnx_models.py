"""Small ONNX models for the tests of the importer. Import it only where onnx is installed."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def proto(*nodes, weights=(), x=("batch", 4), outputs=("y",), opset=17, inputs=None, **options):
    inputs = [helper.make_tensor_value_info("x", FLOAT, x)] if inputs is None else inputs
    graph = helper.make_graph(
        nodes,
        "graph",
        inputs,
        [helper.make_tensor_value_info(name, FLOAT, None if name == "y" else ["batch", 1]) for name in outputs],
        [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in dict(weights).items()],
    )
    for value in graph.output:
        value.type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
    options = {"ir_version": 8, "opset_imports": [helper.make_opsetid("", opset)]} | options
    return helper.make_model(graph, **options)


X = np.random.default_rng(5).normal(size=(3, 4)).astype(np.float32)
W, B = np.arange(8, dtype=np.float32).reshape(4, 2) / 8, np.array([1, -2], np.float32)


def node(op, *inputs, to="y", **attributes):
    return helper.make_node(op, list(inputs), [to], name=f"n_{to}", **attributes)
