"""A model compiled for inference."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from minidnn.columns import columns
from minidnn.data import Meaning
from minidnn.deploy import storage
from minidnn.deploy.comparison import Loss, Validation
from minidnn.deploy.stages import Program
from minidnn.models.saving import Content, contents, meaning_in
from minidnn.tensor import Tensor

Floats = npt.NDArray[np.float32]


class InferenceModel:
    """A compiled model, from `compile` or `load`. A forward pass is one call, from any number of threads at once.

    Attributes:
        n_in, n_out: `predict` takes (batch, n_in) and returns (batch, n_out).
        loss: differences from the original model's outputs, if calibration examples were given.
        validation: the accuracy of the original and the compiled model, if labelled examples were given.
        meaning: what inputs and outputs stand for, which `save` stores; None if not given.
    """

    def __init__(
        self,
        program: Program,
        loss: Loss | None = None,
        validation: Validation | None = None,
        meaning: Meaning | None = None,
    ) -> None:
        self._program, self.loss, self.validation, self.meaning = program, loss, validation, meaning
        self._engine = program.engine()
        self.n_in, self.n_out = program.n_in, program.widths[-1]

    def predict(self, x: Any, out: Floats | None = None) -> Floats:
        """The model's outputs: logits, unless the model itself ends in a softmax.

        It releases the GIL. With ``out`` nothing is allocated after the first batch of a size. A large batch is
        processed in pieces.

        Args:
            x: (batch, n_in), float32 or convertible to it; uint8 is divided by 255, as in `minidnn.data`.
            out: (batch, n_out) float32, which is filled and returned.

        Raises:
            TypeError: x does not hold numbers; out is not a float32 array.
            ValueError: a wrong shape; out is not contiguous, is read-only, or overlaps x.
        """
        if not (type(x) is np.ndarray and x.dtype is _FLOAT32 and x.flags.c_contiguous):
            x = images_of("predict", "x", x, self.n_in)
        result: Floats = self._engine.run(x, out)
        return result

    __call__ = predict

    @property
    def activation(self) -> str:
        """The activation of the outputs: its name, "softmax", or "identity" if they are logits."""
        return activation_of(self._program)

    @property
    def density(self) -> float:
        """The share of the weights that are not 0."""
        products = self._program.products
        everything = sum(p.weights.n_in * p.weights.n_out for p in products)
        return sum(p.weights.nonzeros for p in products) / everything if everything else 1.0

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers that `save` writes."""
        return sum(array.nbytes for array in storage.arrays_of(self._program).values())

    def describe(self) -> str:
        """A table of the layers: how each is stored, and how many bytes it takes."""
        rows = [("layer", "kind", "shape", "form", "density", "bytes")]
        sizes = storage.bytes_by_stage(self._program)
        widths = self._program.widths
        for stage, size in zip(self._program.stages, sizes, strict=True):
            rows.append((stage.name, *storage.summary(stage, widths), f"{size:,}"))
        lines = [columns(rows, left=range(4))]
        lines.append(f"density {self.density:.3f}, {self.nbytes:,} bytes ({self._engine.nbytes:,} in memory, packed)")
        if self.loss is not None:
            lines.append(
                f"outputs changed by {self.loss.mean:.2g} on average and {self.loss.largest:.2g} at most, "
                f"the predicted class changed for {self.loss.changed:.2%} of the {self.loss.examples:,} calibration "
                "examples"
            )
        if self.validation is not None:
            lines.append(str(self.validation))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"InferenceModel({self.n_in} -> {self.n_out}, {len(self._program.products)} layers, {self.nbytes:,} bytes)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._program, self.loss, self.validation, self.meaning)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes one file, by convention ``.mdnn``, atomically; the same model gives the same bytes.

        Raises:
            OSError: the file cannot be written; an existing file is unchanged.
        """
        storage.save(self._program, path, self.loss, self.validation, self.meaning)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a file that `save` wrote.

        Raises:
            CheckpointError: the file is damaged, or holds something else.
            OSError: it cannot be read.
        """
        return cls.loaded(contents(path))

    @classmethod
    def loaded(cls, content: Content) -> Self:
        """The model of a file that has been read."""
        parts = storage.load(content)
        meaning = meaning_in(content)
        return cls(*parts, meaning if meaning != Meaning() else None)


def activation_of(program: Program) -> str:
    """The activation of a program's last stage: its name, or "softmax", else "identity"."""
    last = program.stages[-1] if program.stages else None
    return str(getattr(last, "activation", "softmax" if last is not None and last.kind == "softmax" else "identity"))


_FLOAT32 = np.dtype(np.float32)


def images_of(owner: str, name: str, x: Any, n_in: int) -> Floats:
    """The examples as contiguous float32; bytes are divided by 255.

    Raises:
        TypeError: x does not hold numbers.
        ValueError: a wrong shape.
    """
    array = np.asarray(x.data if isinstance(x, Tensor) else x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{owner}: {name} must be numbers, got an array of {array.dtype}")
    if array.ndim != 2 or array.shape[1] != n_in:
        raise ValueError(f"{owner}: {name} has shape {array.shape}, must be (batch, {n_in})")
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(array, np.float32)
