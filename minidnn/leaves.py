"""Access to the memory of leaves for kernels that read or change it off the tape; reports it to the recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minidnn import kernels
from minidnn.reference.types import Array

if TYPE_CHECKING:
    from minidnn.tensor import Tensor


def held(tensor: Tensor) -> Array:
    """The array of a tensor that is kept beyond the step, such as running statistics."""
    recorder = kernels.recorder()
    if recorder is not None:
        recorder.leaf(tensor)
    return tensor._data


def gradient_of(leaf: Tensor) -> Array | None:
    """The gradient of a leaf, to be read or changed in place; None if it has none."""
    recorder = kernels.recorder()
    if recorder is None:
        return leaf._grad
    gradient: Array | None = recorder.gradient(leaf)
    return gradient
