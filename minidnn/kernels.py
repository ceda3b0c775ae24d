"""The facade: every kernel, compiled or reference, under one name. The only module that imports ``_core``.

The compiled kernels take contiguous float32. float64 always runs on the reference, so that gradients can be checked
with tight tolerances. All kernels run on the reference within
``use_backend("reference")`` or with ``MINIDNN_BACKEND=reference``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar, cast, get_args

import numpy as np

from minidnn import reference
from minidnn.activations import ACTIVATIONS
from minidnn.optimizers import KERNELS

try:
    from minidnn import _core
except ImportError as error:
    if os.environ.get("MINIDNN_BACKEND") != "reference":
        raise ImportError(
            f"minidnn: the compiled kernels could not be imported ({error}). If you are in a source checkout, its "
            "minidnn/ folder hides the installed package: run `pip install .` and start Python from another folder, "
            "or use the `minidnn` command. To run on the NumPy reference instead (slowly), set "
            "MINIDNN_BACKEND=reference."
        ) from error
    INSTALLED = False
else:
    INSTALLED = True

P = ParamSpec("P")
R = TypeVar("R")
Backend = Literal["compiled", "reference"]


def _backend_of_environment() -> bool:
    name = os.environ.get("MINIDNN_BACKEND", "compiled")
    if name not in ("compiled", "reference"):
        raise ValueError(f"MINIDNN_BACKEND is {name!r}, must be 'compiled' or 'reference'")
    return name == "compiled"


class _State(threading.local):
    compiled: bool = _backend_of_environment()
    recorder: Any = None  # a `minidnn.program.recorder.Recorder`, while a step is recorded


_state = _State()


def recorder() -> Any:
    """The recorder of the step that is being recorded in this thread, or None."""
    return _state.recorder


@contextmanager
def recording(recorder: Any) -> Iterator[None]:
    """Within the context the recorder receives the kernel calls of this thread.

    Raises:
        RuntimeError: another step is being recorded in this thread.
    """
    if _state.recorder is not None:
        raise RuntimeError(
            "capture: another step is being recorded in this thread; call a captured step only outside of steps"
        )
    _state.recorder = recorder
    try:
        yield
    finally:
        _state.recorder = None


def known(array: Any, name: str) -> Any:
    """Returns the array. While a step is recorded, declares it as memory that is kept beyond the step."""
    if _state.recorder is not None:
        _state.recorder.known(array, name)
    return array


def backend() -> Backend:
    """The backend of this thread."""
    return "compiled" if _state.compiled else "reference"


@contextmanager
def use_backend(name: Backend) -> Iterator[None]:
    """Context manager: kernels of this thread run ``"compiled"`` or on the NumPy ``"reference"``.

    Raises:
        ValueError: name is neither of them.
        RuntimeError: name is ``"compiled"`` and the compiled kernels could not be imported.
    """
    if name not in get_args(Backend):
        raise ValueError(f"use_backend: name must be 'compiled' or 'reference', got {name!r}")
    if name == "compiled" and not INSTALLED:
        raise RuntimeError("use_backend: the compiled kernels are not installed; run `pip install .`")
    before = _state.compiled
    _state.compiled = name == "compiled"
    try:
        yield
    finally:
        _state.compiled = before


_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def uniform(a: Any, b: Any) -> bool:
    """Whether both are contiguous float32 arrays of the same shape."""
    return (
        isinstance(a, np.ndarray)
        and isinstance(b, np.ndarray)
        and a.shape == b.shape
        and a.dtype == b.dtype == _FLOAT32
        and a.flags.c_contiguous
        and b.flags.c_contiguous
    )


def _whole(x: Any, *_: Any) -> bool:
    """Whether x is a contiguous, non-empty float32 array."""
    return x.dtype == _FLOAT32 and x.flags.c_contiguous and x.size > 0


def _has_rows(x: Any, *_: Any) -> bool:
    """Whether x is neither float64 nor an empty batch; only the references return an empty result for that."""
    return x.dtype != _FLOAT64 and not (x.ndim == 2 and len(x) == 0 and x.shape[1] > 0)


def _always(*_: Any) -> bool:
    return True


def run_reference(truth: Callable[..., R], args: Any, settings: Any) -> R:
    """Runs a reference; settings that are 0-dimensional arrays are converted to Python numbers."""
    return truth(*args, **{name: v.item() if isinstance(v, np.ndarray) else v for name, v in settings.items()})


def _kernel(truth: Callable[P, R], fits: Callable[..., bool] | None = None) -> Callable[P, R]:
    """Returns the kernel of a reference. It runs compiled if there is a compiled one, the backend is "compiled" and
    the arguments fit; otherwise the reference runs.

    Without ``fits``, arguments fit unless the first is float64. Every kernel call goes through here: while a step
    is recorded, the recorder makes the call.
    """
    compiled = cast(Callable[..., R] | None, getattr(_core, truth.__name__, None) if INSTALLED else None)

    @wraps(truth)
    def call(*args: Any, **settings: Any) -> R:
        runs_compiled = (
            compiled is not None
            and _state.compiled
            and (fits(*args) if fits is not None else getattr(args[0] if args else None, "dtype", None) != _FLOAT64)
        )
        if _state.recorder is not None:
            return cast(R, _state.recorder.call(truth, compiled if runs_compiled else None, args, settings))
        if runs_compiled:
            assert compiled is not None
            return compiled(*args, **settings)
        return run_reference(truth, args, settings)

    # pickle finds the function by this name.
    call.__module__, call.__qualname__ = __name__, truth.__name__
    return cast(Callable[P, R], call)


prelu = _kernel(reference.prelu)
prelu_backward = _kernel(reference.prelu_backward)

# relu, relu_backward and so on, for each row of the table.
_OF_ACTIVATIONS = {name: _kernel(getattr(reference, name)) for row in ACTIVATIONS for name in (row, f"{row}_backward")}
globals().update(_OF_ACTIVATIONS)


def activation(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernels of an activation and of its derivative, which reads x or y; see ``Activation.reads``."""
    return _OF_ACTIVATIONS[name], _OF_ACTIVATIONS[f"{name}_backward"]


add = _kernel(reference.add, uniform)
subtract = _kernel(reference.subtract, uniform)
multiply = _kernel(reference.multiply, uniform)
mean = _kernel(reference.mean, _whole)
mean_backward = _kernel(reference.mean_backward)
scale_rows = _kernel(reference.scale_rows)
moving_average = _kernel(reference.moving_average)
check_finite = _kernel(reference.check_finite)

matmul = _kernel(reference.matmul)
dense = _kernel(reference.dense)
dense_backward = _kernel(reference.dense_backward)

packed_matmul = _kernel(reference.packed_matmul)
byte_matmul = _kernel(reference.byte_matmul)
sparse_matmul = _kernel(reference.sparse_matmul)
sparse_byte_matmul = _kernel(reference.sparse_byte_matmul)

softmax = _kernel(reference.softmax)
softmax_backward = _kernel(reference.softmax_backward)
log_softmax = _kernel(reference.log_softmax)
log_softmax_backward = _kernel(reference.log_softmax_backward)
softmax_cross_entropy = _kernel(reference.softmax_cross_entropy)
row_sum = _kernel(reference.row_sum)
column_sum = _kernel(reference.column_sum)

embedding_bag = _kernel(reference.embedding_bag)
embedding_bag_backward = _kernel(reference.embedding_bag_backward)

fingerprint: Callable[[Any], int] = _core.fingerprint if INSTALLED else reference.fingerprint
"""Independent of the chosen backend: the fingerprint of an array must not depend on it."""

count = _kernel(reference.count, _always)
next_draw = _kernel(reference.next_draw, _always)
random_bits = _kernel(reference.random_bits)
random_normal = _kernel(reference.random_normal)
bernoulli = _kernel(reference.bernoulli)
dropout = _kernel(reference.dropout)
rrelu = _kernel(reference.rrelu)
rrelu_backward = _kernel(reference.rrelu_backward)

batch_norm = _kernel(reference.batch_norm)
batch_norm_eval = _kernel(reference.batch_norm_eval, _has_rows)
batch_norm_backward = _kernel(reference.batch_norm_backward)
batch_norm_eval_backward = _kernel(reference.batch_norm_eval_backward, _has_rows)
layer_norm = _kernel(reference.layer_norm, _has_rows)
layer_norm_backward = _kernel(reference.layer_norm_backward, _has_rows)

# sgd_step and so on, for each row of the table.
_OF_UPDATES = {name: _kernel(getattr(reference, name)) for name in KERNELS}
globals().update(_OF_UPDATES)


def update(name: str) -> Callable[..., None]:
    """The kernel of an optimizer's update, by its name in `minidnn.optimizers`."""
    return _OF_UPDATES[f"{name}_step"]


squared_norm = _kernel(reference.squared_norm)
global_norm = _kernel(reference.global_norm, _always)
clip_factor = _kernel(reference.clip_factor, _always)
trusted_rate = _kernel(reference.trusted_rate, _always)
adafactor_rate = _kernel(reference.adafactor_rate, _always)
check_gradients = _kernel(reference.check_gradients)
l1_l2_penalty = _kernel(reference.l1_l2_penalty)
l1_l2_gradient = _kernel(reference.l1_l2_gradient)
scale = _kernel(reference.scale)
clip = _kernel(reference.clip)
mask_weights = _kernel(reference.mask_weights)
max_norm = _kernel(reference.max_norm)
unit_norm = _kernel(reference.unit_norm)


# Kernels without a compiled version: NumPy computes them.

divide = _kernel(reference.divide)
divide_backward = _kernel(reference.divide_backward)
power = _kernel(reference.power)
power_backward = _kernel(reference.power_backward)
power_exponent_backward = _kernel(reference.power_exponent_backward)
negative = _kernel(reference.negative)
erf = _kernel(reference.erf)
erf_backward = _kernel(reference.erf_backward)
exp = _kernel(reference.exp)
log = _kernel(reference.log)
sqrt = _kernel(reference.sqrt)
sqrt_backward = _kernel(reference.sqrt_backward)
absolute = _kernel(reference.absolute)
sign = _kernel(reference.sign)
clipped = _kernel(reference.clipped)
maximum = _kernel(reference.maximum)
minimum = _kernel(reference.minimum)
maximum_share = _kernel(reference.maximum_share)
minimum_share = _kernel(reference.minimum_share)
where = _kernel(reference.where)
less = _kernel(reference.less)
less_equal = _kernel(reference.less_equal)
greater = _kernel(reference.greater)
greater_equal = _kernel(reference.greater_equal)
equal = _kernel(reference.equal)
not_equal = _kernel(reference.not_equal)
assign = _kernel(reference.assign)
astype = _kernel(reference.astype)
copy = _kernel(reference.copy)
full_like = _kernel(reference.full_like)
entropy_terms = _kernel(reference.entropy_terms)
check_between = _kernel(reference.check_between)
check_binary = _kernel(reference.check_binary)
check_signs = _kernel(reference.check_signs)

reduce_sum = _kernel(reference.reduce_sum)
reduce_mean = _kernel(reference.reduce_mean)
reduce_var = _kernel(reference.reduce_var)
reduce_var_backward = _kernel(reference.reduce_var_backward)
reduce_max = _kernel(reference.reduce_max)
reduce_min = _kernel(reference.reduce_min)
extreme_backward = _kernel(reference.extreme_backward)
unbroadcast = _kernel(reference.unbroadcast)

reshape = _kernel(reference.reshape)
getitem = _kernel(reference.getitem)
getitem_backward = _kernel(reference.getitem_backward)
take_along_axis = _kernel(reference.take_along_axis)
take_along_axis_backward = _kernel(reference.take_along_axis_backward)
concatenate = _kernel(reference.concatenate)
stack = _kernel(reference.stack)
pad = _kernel(reference.pad)
stacked_matmul = _kernel(reference.stacked_matmul)


def aligned_copy(x: Any, place: int) -> Any:
    """Returns a copy of x in memory aligned for the compiled kernels.

    ``place`` is 0 for parameters and 1, 2, ... for the slots of their optimizer: arrays that are updated together start
    at different offsets within a page. Only contiguous float32 is aligned; other arrays are copied by NumPy.
    """
    if INSTALLED and x.dtype == _FLOAT32 and x.flags.c_contiguous:
        return _core.aligned_copy(x, place)
    return x.copy()


def new_program() -> Any:
    """Returns an empty list of kernel calls, to be recorded and replayed; see `minidnn.program`."""
    return _core.Program()


def new_engine(widths: list[int]) -> Any:
    """Returns the engine that runs a trained model for inference; see `minidnn.deploy`."""
    return _core.Engine(widths) if _state.compiled else reference.inference.Engine(widths)


def isa() -> str:
    """The instruction set of the compiled kernels, or ``"none"``."""
    return _core.isa() if INSTALLED else "none"


def usable_isas() -> list[str]:
    """The instruction sets that this machine can run, fastest first."""
    return _core.usable_isas() if INSTALLED else []


def use_isa(name: str) -> None:
    """Selects the instruction set of the compiled kernels, in the whole process.

    Raises:
        ValueError: it is unknown or unsupported; the message lists the choices.
    """
    if INSTALLED:
        _core.use_isa(name)


def num_threads() -> int:
    """The maximum number of threads that a kernel uses."""
    return _core.num_threads() if INSTALLED else 1


def set_num_threads(n: int) -> None:
    """Sets the maximum number of threads per kernel. No result depends on it. Threads beyond the cores stay unused.

    Raises:
        TypeError: n is not an integer.
        ValueError: n is not in [1, 1024].
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"set_num_threads: n must be an integer, got {type(n).__name__}")
    if not 1 <= n <= 1024:
        raise ValueError(f"set_num_threads: n must be in [1, 1024], got {n}")
    if INSTALLED:
        _core.set_num_threads(int(n))


def use_cores(n: int) -> None:
    """Sets the number of cores that this process may use; threads beyond it are accepted but stay unused."""
    if INSTALLED:
        _core.use_cores(n)


def build_info() -> dict[str, str]:
    """The compiler, flags and OpenMP version with which the kernels were built."""
    if not INSTALLED:
        return {}
    return {"compiler": _core.compiler, "flags": _core.flags, "openmp": str(_core.openmp or "none")}
