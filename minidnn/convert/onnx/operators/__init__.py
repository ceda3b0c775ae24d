"""The converters of ONNX's operators."""

from minidnn.convert.onnx.following import Operator
from minidnn.convert.onnx.operators import activating, elementwise, normalizing, products, reducing, shaping

OPERATORS: dict[str, Operator] = {
    name: row
    for part in (activating, elementwise, normalizing, products, reducing, shaping)
    for name, row in part.ROWS.items()
}
"""Every operator that can be imported."""
