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
    """A dense network in ONNX as a model, in evaluation mode; it can be trained, saved and exported again.

    Known are all operators that `to_onnx` writes and more (docs/onnx.md lists them), of operator sets 7 to 28, as they
    compute in inference. A product and the bias added to it become one `nn.Dense`, an activation after it too; the
    operators that stand for one activation become that layer, rows of a table by numbers an `nn.Embedding`. A chain of
    layers becomes a `nn.Sequential`, anything else a `nn.Graph`, of several outputs where the file has them.

    Args:
        source: a path, bytes, or a ``ModelProto``. Weights of float16 and float64 become float32.

    Raises:
        ConversionError: a damaged file, external data that is not beside it, a node that is not understood (named).
        ImportError: onnx is missing; names the extra.
        OSError: the file cannot be read.
    """
    network = recognized(read(source))
    importer = Importer(network)
    for operation in network.operations:
        make = _recognized if operation.layer is not None else OPERATORS.get(operation.op)
        if make is None:
            raise operation.refuse("this operator is not known here")
        importer.check(operation)
        try:
            make(importer, operation)
        except RefusedError:
            raise
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            raise operation.refuse(str(error)) from error
        if unread := operation.attributes.unread():
            raise operation.refuse(f"attribute {unread[0]!r} is not known here")
    return importer.module()


def _recognized(importer: Importer, operation: Operation) -> None:
    """What several nodes compute together."""
    layer, takes = operation.layer, "int" if isinstance(operation.layer, nn.EmbeddingBag) else "float"
    assert layer is not None
    if importer.kind(operation.inputs[0]) != takes:
        raise operation.refuse(f"{operation.inputs[0]!r} must be {takes}")
    if isinstance(layer, nn.EmbeddingBag) and importer.rank(operation) != 2:
        raise operation.refuse("a sum of rows of a table must have a bag in each row of a matrix")
    importer.layer(operation, layer, called=layer.name or "")
