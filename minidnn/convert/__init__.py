"""Converters from PyTorch, Keras, scikit-learn and safetensors, and ONNX import and export.

A conversion is complete, or it raises an error that names the unsupported part.
"""

from minidnn.convert.building import ConversionError
from minidnn.convert.keras import from_keras
from minidnn.convert.onnx import from_onnx, to_onnx
from minidnn.convert.safetensors import from_safetensors
from minidnn.convert.sklearn import from_sklearn
from minidnn.convert.torch import from_torch

__all__ = [
    "ConversionError",
    "from_keras",
    "from_onnx",
    "from_safetensors",
    "from_sklearn",
    "from_torch",
    "to_onnx",
]
