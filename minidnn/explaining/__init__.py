"""A kernel's formula, NumPy reference and C++ side by side, from the sources: `minidnn.explain("adam")`."""

from minidnn.explaining.cpp import Definition
from minidnn.explaining.explanation import Explanation, Part, explain, names

__all__ = ["Definition", "Explanation", "Part", "explain", "names"]
