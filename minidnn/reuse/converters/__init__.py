"""Models of other libraries, from live objects and from files, and ONNX both ways.

What is not understood is refused by name: a conversion is whole, or an error.
"""

from minidnn.reuse.converters.building import ConversionError
from minidnn.reuse.converters.keras import from_keras
from minidnn.reuse.converters.onnx import from_onnx, to_onnx
from minidnn.reuse.converters.safetensors import from_safetensors
from minidnn.reuse.converters.sklearn import from_sklearn
from minidnn.reuse.converters.torch import from_torch

__all__ = [
    "ConversionError",
    "from_keras",
    "from_onnx",
    "from_safetensors",
    "from_sklearn",
    "from_torch",
    "to_onnx",
]
