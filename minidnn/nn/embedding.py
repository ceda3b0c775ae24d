"""Layers that look up rows by number."""

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
    """What looks up rows of a kernel: (n_in, n_out), a row for each number."""

    reads_numbers = True
    """Of rows, so that ``n_in`` is not the width of its input."""

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
    """y[..., :] = ``kernel[x[...]]``: a vector for each number, as of words (Bengio et al. 2003).

    The same as a dense layer without bias on one-hot vectors, but it reads only the rows that are named.

    Args:
        n_in: how many numbers there are; x holds numbers in [0, n_in), and may have any shape.
        n_out: the length of a vector; y has one axis more than x, ``(*x.shape, n_out)``.
        padding: a number in [0, n_in) that stands for nothing: its row begins at 0 and gets no gradient. None where
            every number is one.
        kernel_initializer: a name or function of `minidnn.nn.initializers`.
        rng: draws the initial values; the default generator where it is None.
        kernel_regularizer: a penalty on the vectors.
        kernel_constraint: restored after each step.

    Attributes:
        kernel: (n_in, n_out), a row for each number.

    Raises:
        TypeError: n_in, n_out or padding is not an integer; on call, an x that does not hold integers.
        ValueError: n_in or n_out < 1, a padding or, on call, a number out of range.
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
            if self.kernel._data.flags.writeable:  # initial values that are deferred are 0
                self.kernel._data[padding] = 0

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        return ops.embedding(self.kernel, x, self.padding)


class EmbeddingBag(_Lookup):
    """y = the mean, or the sum, of the embeddings of the words in a bag, whatever their order.

    The same as a dense layer without bias on counts of words, but it reads only the rows that are named.

    Args:
        n_in: how many words there are; x holds numbers in [0, n_in).
        n_out: the length of an embedding; y is (bags, n_out).
        mode: "mean" or "sum".
        padding: a number that stands for no word, so that bags of different sizes fit a matrix; 0 is that of
            `minidnn.data.Vocabulary`. None where every number is a word.
        kernel_initializer: a name or function of `minidnn.nn.initializers`.
        rng: draws the initial values; the default generator where it is None.
        kernel_regularizer: a penalty on the embeddings.
        kernel_constraint: restored after each step.

    Attributes:
        kernel: (n_in, n_out), a row for each word.

    Raises:
        TypeError: n_in, n_out or padding is not an integer; on call, an x that does not hold integers.
        ValueError: n_in or n_out < 1, another mode; on call, shapes that do not fit or a number out of range.
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
        """The bags of x: a matrix (bags, width), or all numbers one after the other and where each bag begins."""
        recorder = kernels.recorder()
        if recorder is not None:
            recorder.module(self)
        return self.forward(x if isinstance(x, Tensor) else Tensor(x), offsets)

    def forward(self, x: Tensor, offsets: Any = None) -> Tensor:
        self._check(x)
        axes = 2 if offsets is None else 1
        if x._data.ndim != axes:
            wanted = "(bags, width)" if offsets is None else "(numbers,) where offsets are given"
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be {wanted}")
        return ops.embedding_bag(self.kernel, x, offsets, self.mode, self.padding)
