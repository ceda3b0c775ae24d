"""ONNX import and export."""

from minidnn.convert.onnx.exporting import to_onnx
from minidnn.convert.onnx.importing import from_onnx

__all__ = ["from_onnx", "to_onnx"]
