"""ONNX both ways."""

from minidnn.reuse.converters.onnx.exporting import to_onnx
from minidnn.reuse.converters.onnx.importing import from_onnx

__all__ = ["from_onnx", "to_onnx"]
