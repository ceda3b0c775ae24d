"""Layers that look up rows by index."""

from __future__ import annotations

from typing import Any, Literal

from minidnn import kernels, ops
from minidnn.checks import positive_integer
from minidnn.nn.constraints import Constraint
from minidnn.nn.initializers import Initializer, initialize
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.nn.regularizers import Regularizer
from minidnn.random import Generator, default_generator
from minidnn.tensor import Tensor


class _Lookup(Module):
    """A layer that looks up rows of a kernel (n_in, n_out) by index."""

    reads_numbers = True
    """The input holds row indices, so ``n_in`` is not its width."""

    def _begin(
        self,
        n_in: int,
        n_out: int,
        padding: int | None,
        initializer: str | Initializer,
        regularizer: Regularizer | None,
        constraint: Constraint | None,
        rng: Generator | None,
    ) -> None:
        self.n_in = positive_integer(self.label, "n_in", n_in)
        self.n_out = positive_integer(self.label, "n_out", n_out)
        if padding is not None and (isinstance(padding, bool) or not isinstance(padding, int)):
            raise TypeError(f"{self.label}: padding must be an integer or None, got {type(padding).__name__}")
        self.padding = padding
        self.kernel_initializer = initializer
        self.kernel_regularizer = regularizer
        self.kernel_constraint = constraint
        shape = (self.n_in, self.n_out)
        kernel = initialize(self.label, "kernel_initializer", initializer, shape, rng or default_generator())
        self.kernel = Parameter(kernel, regularizer, constraint, owner=f"{self.label}: kernel")

    def _check(self, x: Tensor) -> None:
        if x._data.dtype.kind not in "iu":
            raise TypeError(f"{self.label}: x is {x.dtype}, must be integers")


class Embedding(_Lookup):
    """``y[..., :] = kernel[x[...]]``: one vector per index, such as that of a word (Bengio et al. 2003).

    Equal to a dense layer without bias on one-hot vectors, but reads only the rows that occur in x.

    Args:
        n_in: the number of rows; x holds integers in [0, n_in) and has any shape.
        n_out: the length of a vector; y has the shape ``(*x.shape, n_out)``.
        padding: an index in [0, n_in) for "no entry": its row starts at 0 and gets no gradient.
        kernel_initializer: a name or function of `minidnn.nn.initializers`.
        rng: draws the initial values; None: the default generator.
        kernel_regularizer: a penalty on the vectors.
        kernel_constraint: applied after each step of the optimizer.

    Attributes:
        kernel: (n_in, n_out), one row per index.

    Raises:
        TypeError: n_in, n_out or padding is not an integer; on call, x does not hold integers.
        ValueError: n_in or n_out < 1, padding out of range; on call, an index out of range.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        padding: int | None = None,
        kernel_initializer: str | Initializer = "uniform",
        name: str | None = None,
        rng: Generator | None = None,
        kernel_regularizer: Regularizer | None = None,
        kernel_constraint: Constraint | None = None,
    ) -> None:
        self.name = name
        self._begin(n_in, n_out, padding, kernel_initializer, kernel_regularizer, kernel_constraint, rng)
        if padding is not None:
            if not 0 <= padding < n_in:
                raise ValueError(f"{self.label}: padding is {padding}, must be in [0, {n_in})")
            if self.kernel._data.flags.writeable:  # deferred initial values are read-only zeros
                self.kernel._data[padding] = 0

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        return ops.embedding(self.kernel, x, self.padding)


class EmbeddingBag(_Lookup):
    """y = the mean or the sum of the embeddings of the words in a bag; their order does not matter.

    With mode="sum" equal to a dense layer without bias on word counts, but reads only the rows that occur in x.

    Args:
        n_in: the number of words; x holds integers in [0, n_in).
        n_out: the length of an embedding; y is (bags, n_out).
        mode: "mean" or "sum".
        padding: an index that is ignored, so that bags of different sizes fit a matrix; `minidnn.data.Vocabulary` uses
            0. None: no index is ignored.
        kernel_initializer: a name or function of `minidnn.nn.initializers`.
        rng: draws the initial values; None: the default generator.
        kernel_regularizer: a penalty on the embeddings.
        kernel_constraint: applied after each step of the optimizer.

    Attributes:
        kernel: (n_in, n_out), one row per word.

    Raises:
        TypeError: n_in, n_out or padding is not an integer; on call, x does not hold integers.
        ValueError: n_in or n_out < 1, an unknown mode; on call, shapes that do not fit or an index out of range.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        mode: Literal["sum", "mean"] = "mean",
        padding: int | None = None,
        kernel_initializer: str | Initializer = "uniform",
        name: str | None = None,
        rng: Generator | None = None,
        kernel_regularizer: Regularizer | None = None,
        kernel_constraint: Constraint | None = None,
    ) -> None:
        self.name = name
        if mode not in ("sum", "mean"):
            raise ValueError(f"{self.label}: mode must be 'sum' or 'mean', got {mode!r}")
        self.mode: Literal["sum", "mean"] = mode
        self._begin(n_in, n_out, padding, kernel_initializer, kernel_regularizer, kernel_constraint, rng)

    def __call__(self, x: Any, offsets: Any = None) -> Tensor:
        """y of the bags in x: a matrix (bags, width); or a vector of all indices, with the start of each bag."""
        recorder = kernels.recorder()
        if recorder is not None:
            recorder.module(self)
        return self.forward(x if isinstance(x, Tensor) else Tensor(x), offsets)

    def forward(self, x: Tensor, offsets: Any = None) -> Tensor:
        self._check(x)
        axes = 2 if offsets is None else 1
        if x._data.ndim != axes:
            wanted = "(bags, width)" if offsets is None else "(indices,) because offsets are given"
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be {wanted}")
        return ops.embedding_bag(self.kernel, x, offsets, self.mode, self.padding)
