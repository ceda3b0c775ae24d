"""Imports ONNX models."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minidnn import nn
from minidnn.convert.onnx.following import Importer
from minidnn.convert.onnx.operators import OPERATORS
from minidnn.convert.onnx.reading import Operation, RefusedError, read
from minidnn.convert.onnx.recognizing import recognized

if TYPE_CHECKING:
    import onnx


def from_onnx(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> nn.Sequential | nn.Graph:
    """Imports a dense network from ONNX, in evaluation mode; it can be trained, saved and exported again.

    It supports all operators that `to_onnx` writes and more (docs/onnx.md lists them), in inference mode, of operator
    sets 7 to 28. A product, its bias and its activation become one `nn.Dense`. Several operators that compute one
    activation become that layer. A Gather of rows of a matrix becomes an `nn.Embedding`. A chain of layers becomes a
    `nn.Sequential`, any other graph a `nn.Graph`, with several outputs if the file has them.

    Args:
        source: a path, bytes, or a ``ModelProto``. Weights of float16 and float64 become float32.

    Raises:
        ConversionError: the file is damaged, its external data is missing, or a node (named) is not supported.
        ImportError: onnx is missing; the message names the extra.
        OSError: the file cannot be read.
    """
    network = recognized(read(source))
    importer = Importer(network)
    for operation in network.operations:
        make = _recognized if operation.layer is not None else OPERATORS.get(operation.op)
        if make is None:
            raise operation.refuse("this operator is not supported")
        importer.check(operation)
        try:
            make(importer, operation)
        except RefusedError:
            raise
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            raise operation.refuse(str(error)) from error
        if unread := operation.attributes.unread():
            raise operation.refuse(f"attribute {unread[0]!r} is not supported")
    return importer.module()


def _recognized(importer: Importer, operation: Operation) -> None:
    """Adds the layer that several nodes were recognized as."""
    layer, takes = operation.layer, "int" if isinstance(operation.layer, nn.EmbeddingBag) else "float"
    assert layer is not None
    if importer.kind(operation.inputs[0]) != takes:
        raise operation.refuse(f"{operation.inputs[0]!r} must be {takes}")
    if isinstance(layer, nn.EmbeddingBag) and importer.rank(operation) != 2:
        raise operation.refuse("the indices of an embedding bag must be a matrix, a bag in each row")
    importer.layer(operation, layer, called=layer.name or "")
