"""To ONNX: each layer is written as it is in evaluation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidnn import nn
from minidnn.convert.building import ConversionError
from minidnn.convert.onnx.reading import onnx_module
from minidnn.convert.onnx.writing import Writer, width_of, write
from minidnn.files import atomic_write
from minidnn.recording import no_grad
from minidnn.tensor import Tensor

if TYPE_CHECKING:
    import onnx

OPSET = 17
"""The operator set that is written: the first one with LayerNormalization."""
IR_VERSION = 8
"""What came with it (onnx 1.12, 2022), so that old runtimes read it too."""

Shape = Sequence[int]


def to_onnx(
    model: nn.Module, path: str | os.PathLike[str] | None = None, input_shape: Shape | Mapping[str, Shape] | None = None
) -> onnx.ModelProto:
    """The model in ONNX, operator set 17, as it computes in evaluation mode; checked by ONNX's own checker.

    Every layer of minidnn for vectors can be written, within `nn.Sequential`, `nn.Residual`, `nn.SkipConcat` and
    `nn.Graph`. The input is "x" (a Graph's inputs keep their names), (batch, n_in), the output "y"; weights are called
    as in `Module.state_dict`. The same model gives the same bytes.

    Args:
        path: where to write it too; atomically.
        input_shape: of x without its batch axis, such as ``(28, 28)`` before an `nn.Flatten`; or, by name, of each
            input of a Graph. Else it is told by the first layer that knows it.

    Returns:
        The ``onnx.ModelProto``.

    Raises:
        ConversionError: a layer or function that has no form in ONNX, named; weights that are not float32; a shape that
            nothing tells.
        ImportError: onnx is missing; names the extra.
        OSError: the file cannot be written; what was there before is still there.
    """
    onnx = onnx_module()
    for name, tensor in model.tensors().items():
        if tensor.dtype != np.float32:
            raise ConversionError(f"to_onnx: {name} is {tensor.dtype}, must be float32")
    shapes = _input_shapes(model, input_shape)
    outputs = _trial(model, shapes)
    writer = Writer(shapes)
    written = writer.finish(write(writer, model, "", list(shapes)))
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node(node.op, node.inputs, [node.output], node.name, **node.settings) for node in writer.nodes],
        model.name or "minidnn",
        [helper.make_tensor_value_info(name, float32, ["batch", *shape]) for name, shape in shapes.items()],
        [helper.make_tensor_value_info(written, float32, outputs)],
        [onnx.numpy_helper.from_array(array, name) for name, array in writer.weights.items()],
    )
    from minidnn import __version__

    proto = helper.make_model(
        graph,
        producer_name="minidnn",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    try:
        onnx.checker.check_model(proto, full_check=True)
        content = proto.SerializeToString(deterministic=True)
    except ValueError as error:  # of protobuf, beyond 2 GiB
        raise ConversionError(f"to_onnx: the model cannot be one ONNX file: {error}") from error
    if path is not None:
        atomic_write(path, content)
    return proto


def _input_shapes(model: nn.Module, given: Shape | Mapping[str, Shape] | None) -> dict[str, tuple[int, ...]]:
    names = list(model.inputs) if isinstance(model, nn.Graph) else ["x"]
    if isinstance(given, Mapping):
        shapes = {name: tuple(shape) for name, shape in given.items()}
    elif given is not None:
        shapes = {name: tuple(given) for name in names}
    else:
        widths = {name: width_of(model, name) for name in names}
        unknown = [name for name, width in widths.items() if width is None]
        if unknown:
            raise ConversionError(f"to_onnx: no layer tells how wide {', '.join(unknown)} is: give input_shape")
        shapes = {name: (width,) for name, width in widths.items() if width is not None}
    if shapes.keys() != set(names):
        raise ConversionError(f"to_onnx: input_shape names {', '.join(shapes)}, the inputs are {', '.join(names)}")
    return shapes


def _trial(model: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> list[Any]:
    """The output's shape, found by trying: an error of the model comes before any file, in the model's own words."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    try:
        model.eval()
        sizes = []
        with no_grad():
            for batch in (2, 3):
                xs = [np.zeros((batch, *shape), np.float32) for shape in shapes.values()]
                sizes.append(model.forward(*(Tensor(x) for x in xs)).shape)
    finally:
        for module, mode in modes:
            module.training = mode
    two, three = sizes
    if len(two) != len(three):
        raise ConversionError("to_onnx: the output's number of axes depends on the batch")
    return ["batch" if (a, b) == (2, 3) else a if a == b else None for a, b in zip(two, three, strict=True)]
