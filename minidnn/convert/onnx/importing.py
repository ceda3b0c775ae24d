"""From ONNX."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from minidnn import nn
from minidnn.convert.onnx.following import Importer
from minidnn.convert.onnx.operators import OPERATORS
from minidnn.convert.onnx.reading import RefusedError, read

if TYPE_CHECKING:
    import onnx


def from_onnx(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> nn.Sequential | nn.Graph:
    """A dense network in ONNX as a model, in evaluation mode; it can be trained, saved and exported again.

    Known are Gemm, MatMul, Add, Mul, Relu, Elu, Selu, LeakyRelu, PRelu, Tanh, Sigmoid, Softplus, Softmax, LogSoftmax,
    BatchNormalization and LayerNormalization (as in inference), Dropout, Flatten, Reshape, Concat, Identity and
    Constant, of operator sets 7 to 28. A product and the bias added to it become one `nn.Dense`, an activation after it
    too; a chain of layers becomes a `nn.Sequential`, anything else a `nn.Graph`.

    Args:
        source: a path, bytes, or a ``ModelProto``. Weights of float16 and float64 become float32.

    Raises:
        ConversionError: a damaged file, external data, a node that is not understood (named), several outputs.
        ImportError: onnx is missing; names the extra.
        OSError: the file cannot be read.
    """
    network = read(source)
    importer = Importer(network)
    for operation in network.operations:
        make = OPERATORS.get(operation.op)
        if make is None:
            raise operation.refuse("this operator is not known here")
        importer.check(operation)
        try:
            make(importer, operation)
        except RefusedError:
            raise
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            raise operation.refuse(str(error)) from error
    return importer.module()
