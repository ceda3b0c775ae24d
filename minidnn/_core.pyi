"""The compiled kernels, built from csrc/. Each equals the function of its name in `minidnn.reference`, on float32.

Arrays are C-contiguous float32 in native byte order (`matmul` and `dense` take any strides); results are new arrays. A
TypeError tells of another type, a ValueError of shapes that do not fit, of outputs that are read-only or overlap.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
Doubles = npt.NDArray[np.float64]
Counter = npt.NDArray[np.uint64]
Halves = npt.NDArray[np.uint16]
Bytes = npt.NDArray[np.int8]
Integers = npt.NDArray[np.int32]

compiler: str
"""What built the library, such as ``GCC 12.2.0``."""
flags: str
openmp: int
"""The version of OpenMP, 0 without."""

def isa() -> str:
    """The instruction set in use."""

def usable_isas() -> list[str]:
    """Those that this CPU runs, best first."""

def use_isa(name: str) -> None:
    """Switches; ValueError lists the choices."""

def num_threads() -> int: ...
def thread_limit() -> int:
    """The threads that a kernel called now may use: what OpenMP allows this thread, if that was changed."""

def set_num_threads(n: int) -> None: ...
def use_cores(n: int) -> None:
    """Cuts work into at most n parts at once, whatever ``set_num_threads`` allows."""

def fingerprint(array: np.ndarray) -> int: ...
def aligned_copy(x: Floats, place: int) -> Floats:
    """A copy that begins at ``place`` quarters of a page behind a page boundary (a small one: at a cache line)."""

def prelu(x: Floats, alpha: Floats) -> Floats:
    """``y = x`` where x > 0, else ``alpha * x``, one learned slope per index of the last axis (He et al. 2015)."""

def prelu_backward(dy: Floats, x: Floats, alpha: Floats, need_dalpha: bool) -> tuple[Floats, Floats | None]:
    """``dx = dy`` or ``alpha * dy``; ``dalpha = sum of dy * x`` over the rows where x <= 0, if needed."""

def matmul(a: Floats, b: Floats) -> Floats:
    """``c[i][j] = sum over k of a[i][k] * b[k][j]``."""

def dense(x: Floats, w: Floats, b: Floats, activation: str, alpha: float) -> Floats:
    """``y = activation(x @ w + b)`` with x (batch, n_in), w (n_in, n_out), b (n_out,)."""

def dense_backward(
    dy: Floats, x: Floats, w: Floats, y: Floats, activation: str, alpha: float, need_dx: bool, need_dw: bool
) -> tuple[Floats | None, Floats | None, Floats | None]:
    """``dz = dy * activation'(y)``; ``dx = dz @ w.T``, ``dw = x.T @ dz``, ``db = column sums of dz``, if needed."""

def packed_matmul(x: Floats, w: Floats | Halves) -> Floats:
    """``y = x @ w``, with w float32 or bfloat16."""

def byte_matmul(x: Floats, w: Bytes, inverse_scale: float, zero: int, corrections: Integers, scales: Floats) -> Floats:
    """``q = clip(round(x * inverse_scale), -zero, 255 - zero) + zero; y = (q @ w - corrections) * scales``."""

def sparse_matmul(x: Floats, starts: Words, rows: Halves, values: Floats | Halves) -> Floats:
    """``y = x @ w`` with only the nonzero weights of w, column by column, as float32 or bfloat16."""

def sparse_byte_matmul(
    x: Floats,
    starts: Words,
    rows: Halves,
    values: Bytes,
    inverse_scale: float,
    zero: int,
    corrections: Integers,
    scales: Floats,
) -> Floats:
    """`byte_matmul` with only the nonzero weights."""

def softmax(x: Floats) -> Floats:
    """``y = exp(x) / sum(exp(x))`` along the last axis; the row's maximum is subtracted first."""

def softmax_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = y * (dy - sum(dy * y))``."""

def log_softmax(x: Floats) -> Floats:
    """``y = x - log(sum(exp(x)))`` along the last axis."""

def log_softmax_backward(dy: Floats, y: Floats) -> Floats:
    """``dx = dy - exp(y) * sum(dy)``."""

def softmax_cross_entropy(logits: Floats, labels: Labels) -> tuple[Floats, Floats]:
    """``loss = -log(softmax(logits)[label])`` for each row, and its gradient ``softmax(logits) - onehot(labels)``."""

def row_sum(x: Floats) -> Floats:
    """The sum of each row of a matrix."""

def column_sum(x: Floats) -> Floats:
    """The sum of each column of a matrix."""

def embedding_bag(weight: Floats, indices: Labels, offsets: Labels | None, padding: int, mean: bool) -> Floats:
    """``y[b]`` = the sum of ``weight[i]`` over the entries i of bag b, or their mean; 0 for an empty bag."""

def embedding_bag_backward(
    dy: Floats, indices: Labels, offsets: Labels | None, padding: int, mean: bool, rows: int
) -> Floats:
    """``dw[i]`` = the sum over the entries i of ``dy[b]``, or of ``dy[b]`` divided by the count of bag b."""

def next_draw(counter: Counter) -> Counter:
    """Returns the number of the next draw, a uint64 array without axes; then ``counter += 1``."""

def count(*counters: Counter) -> None:
    """``counter += 1`` for each counter."""

def random_bits(n: int, seed: int, stream: int, draw: int) -> Words:
    """The first ``n`` uint32 words of one draw."""

def random_normal(n: int, mean: float, std: float, seed: int, stream: int, draw: int) -> Floats:
    """``mean + std * quantile(u)``, n values, with u in (0, 1) from 32 random bits; computed in float64."""

def bernoulli(p: Floats, seed: int, stream: int, draw: int) -> Floats:
    """``y = 1`` with probability p, else 0: it is 1 where ``u < p``, with u in [0, 1) from 24 random bits."""

def dropout(x: Floats, rate: float, seed: int, stream: int, draw: int) -> Floats:
    """``y = x / (1 - rate)`` where kept, else 0 (Srivastava et al. 2014, inverted form). Its own backward."""

def rrelu(x: Floats, lower: float, upper: float, seed: int, stream: int, draw: int) -> Floats:
    """``y = x`` where x > 0, else ``a * x`` with a random slope ``a`` for each element (Xu et al. 2015)."""

def rrelu_backward(dy: Floats, x: Floats, lower: float, upper: float, seed: int, stream: int, draw: int) -> Floats:
    """``dx = dy`` where x > 0, else ``a * dy`` with the slopes of the forward pass, computed again."""

def batch_norm(x: Floats, gamma: Floats, beta: Floats, eps: float) -> tuple[Floats, Floats, Floats]:
    """``y = gamma * (x - mean) / sqrt(var + eps) + beta`` over the batch; y, mean, var (Ioffe & Szegedy 2015)."""

def batch_norm_eval(x: Floats, gamma: Floats, beta: Floats, mean: Floats, var: Floats, eps: float) -> Floats:
    """``y = gamma * (x - mean) / sqrt(var + eps) + beta`` with given statistics."""

def batch_norm_backward(
    dy: Floats, x: Floats, gamma: Floats, mean: Floats, var: Floats, eps: float
) -> tuple[Floats, Floats, Floats]:
    """dx, dgamma and dbeta if mean and var are those of x; with ``x^`` the normalized x::"""

def batch_norm_eval_backward(
    dy: Floats, x: Floats, gamma: Floats, mean: Floats, var: Floats, eps: float
) -> tuple[Floats, Floats, Floats]:
    """dx, dgamma and dbeta if mean and var are constants: ``dx = gamma / sqrt(var + eps) * dy``."""

def layer_norm(x: Floats, gamma: Floats, beta: Floats, eps: float) -> tuple[Floats, Floats, Floats]:
    """``y = gamma * (x - mean) / sqrt(var + eps) + beta`` along each row; y, mean, var (Ba et al. 2016)."""

def layer_norm_backward(
    dy: Floats, x: Floats, gamma: Floats, mean: Floats, var: Floats, eps: float, need_dgamma: bool
) -> tuple[Floats, Floats | None, Floats | None]:
    """dx, and if needed dgamma and dbeta; with ``g = gamma * dy`` and ``x^`` the normalized x::"""

def squared_norm(x: Floats) -> Doubles:
    """``sum(x**2)``, in float64; an array without axes."""

def global_norm(*squares: Doubles) -> Doubles:
    """The square root of the sum of results of `squared_norm`, in order; a float64 array without axes."""

def clip_factor(norm: Doubles, limit: float) -> Doubles:
    """``limit / norm`` where the norm exceeds the limit and is finite, else 1; a float64 array without axes."""

def trusted_rate(
    param_square: Doubles, update_square: Doubles, *, lr: float, coefficient: float, weight_decay: float, eps: float
) -> Doubles:
    """``lr * coefficient * |param| / (|update| + weight_decay * |param| + eps)``; lr where a norm is 0."""

def adafactor_rate(
    param_square: Doubles, direction_square: Doubles, *, lr: float, count: float, scale: float, d: float, step: float
) -> Doubles:
    """``max(rms(param), scale) * min(lr, 1 / sqrt(step)) / max(rms(direction) / d, 1)`` (Shazeer & Stern 2018)."""

def l1_l2_penalty(w: Floats, l1: float, l2: float) -> Floats:
    """``l1 * sum(|w|) + l2 * sum(w**2)``, summed in float64; an array without axes."""

def l1_l2_gradient(w: Floats, dy: Floats, l1: float, l2: float) -> Floats:
    """``dw = dy * l1 * sign(w) + 2 * dy * l2 * w``; dy has one element."""

def scale(x: Floats, factor: float) -> None:
    """``x *= factor``; a factor of 1 does not change x."""

def clip(x: Floats, low: float, high: float) -> None:
    """``x = min(max(x, low), high)``; NaN stays NaN."""

def mask_weights(w: Floats, mask: Floats) -> None:
    """``w = 0`` where mask is 0."""

def max_norm(w: Floats, limit: float, axis: int) -> None:
    """``w *= limit / max(norm, limit)`` with the l2 norm along the axis (Srivastava et al. 2014)."""

def unit_norm(w: Floats, axis: int) -> None:
    """``w /= norm`` with the l2 norm along the axis; a column or row of zeros is unchanged."""

def add(a: Floats, b: Floats) -> Floats:
    """``y = a + b``."""

def subtract(a: Floats, b: Floats) -> Floats:
    """``y = a - b``."""

def multiply(a: Floats, b: Floats) -> Floats:
    """``y = a * b``."""

def mean(x: Floats) -> Floats:
    """The mean of all elements, summed in float64; an array without axes."""

def mean_backward(dy: Floats, x: Floats) -> Floats:
    """``dx = dy / n`` everywhere, in the shape of x."""

def scale_rows(x: Floats, factors: Floats) -> Floats:
    """``y[i][j] = x[i][j] * factors[i]``."""

def moving_average(running: Floats, value: Floats, *, momentum: float) -> None:
    """``running = momentum * running + (1 - momentum) * value``."""

def check_finite(x: Floats) -> None:
    """Raises a FloatingPointError if an element is NaN or infinite."""

class NotFinite(FloatingPointError):
    """What `check_finite` raises."""

class Program:
    """Kernel calls on fixed memory, in order, run again and again without Python."""

    def __init__(self) -> None: ...
    def add_input(self, array: npt.NDArray[Any]) -> None:
        """The array into which a replay copies its next input."""

    def record(self, kernel: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Calls a kernel of this module, which adds itself."""

    def compute(self, call: Callable[[], None]) -> None:
        """Adds a call into Python."""

    def replay(self, inputs: tuple[npt.NDArray[Any], ...]) -> None:
        """Runs all calls; an input that is the program's own array is not copied."""

    def time(self, inputs: tuple[npt.NDArray[Any], ...]) -> list[float]:
        """Runs each call alone; the seconds that each took."""

    def nbytes(self) -> int:
        """Of the memory in which results lie."""

    def __len__(self) -> int: ...

class Engine:
    """A model that no longer learns. Values live in slots, slot 0 is the input; each method but `run` adds a step from
    slots to a slot, which copies and packs its arrays. The last step's slot is the output. Threads may share it."""

    allocations: int
    """How often memory to compute in was allocated."""
    nbytes: int
    """What the packed weights take in memory."""
    def __init__(self, widths: list[int]) -> None: ...
    def dense(
        self,
        from_slot: int,
        to_slot: int,
        w: Floats | Halves,
        bias: Floats,
        activation: str,
        alpha: float,
    ) -> None: ...
    def byte_dense(
        self,
        from_slot: int,
        to_slot: int,
        w: Bytes,
        inverse_scale: float,
        zero: int,
        corrections: Integers,
        scales: Floats,
        bias: Floats,
        activation: str,
        alpha: float,
    ) -> None: ...
    def sparse(
        self,
        from_slot: int,
        to_slot: int,
        starts: Words,
        rows: Halves,
        values: Floats | Halves,
        bias: Floats,
        activation: str,
        alpha: float,
    ) -> None: ...
    def byte_sparse(
        self,
        from_slot: int,
        to_slot: int,
        starts: Words,
        rows: Halves,
        values: Bytes,
        inverse_scale: float,
        zero: int,
        corrections: Integers,
        scales: Floats,
        bias: Floats,
        activation: str,
        alpha: float,
    ) -> None: ...
    def activation(self, from_slot: int, to_slot: int, activation: str, alpha: float) -> None: ...
    def prelu(self, from_slot: int, to_slot: int, slopes: Floats) -> None: ...
    def softmax(self, from_slot: int, to_slot: int) -> None: ...
    def affine(self, from_slot: int, to_slot: int, scale: Floats, shift: Floats) -> None: ...
    def layer_norm(self, from_slot: int, to_slot: int, gamma: Floats, beta: Floats, eps: float) -> None: ...
    def add(self, from_slot: int, other_slot: int, to_slot: int) -> None: ...
    def concat(self, from_slot: int, other_slot: int, to_slot: int) -> None: ...
    def run(self, x: Floats, out: Floats | None) -> Floats:
        """The outputs for (batch, n_in); into ``out`` where it is given."""
