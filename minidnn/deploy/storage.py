"""Files of compiled models: a ``.safetensors`` container whose header describes the stages and has a checksum."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from minidnn.activations import ALPHA
from minidnn.data import Meaning
from minidnn.deploy.comparison import Loss, Validation
from minidnn.deploy.stages import KINDS, Product, Program, Stage
from minidnn.deploy.weights import MOST_SPARSE_INPUTS, STORED, Quantization, Weights
from minidnn.files import atomic_write
from minidnn.models.saving import CheckpointError, Content
from minidnn.reference.types import Array

VERSION = 1
WIDEST, LONGEST = 1 << 24, 100_000
"""The largest number of values of a stage, and of stages; more could exhaust the memory."""

MOST_EXAMPLES = 1 << 53
"""The largest number of examples in a report."""

VALUES_PER_BYTE = 64
"""The largest number of values, over all stages, per byte of the file; a run allocates memory for every value."""

SPARSEST = 64
"""A dense layer with fewer than one nonzero in this many weights is written with its zeros, so that a small file
cannot make `load` allocate much memory."""


def save(
    program: Program,
    path: str | os.PathLike[str],
    loss: Loss | None = None,
    validation: Validation | None = None,
    meaning: Meaning | None = None,
) -> None:
    """Writes the program, its comparison with the original model, and what inputs and outputs stand for."""
    from safetensors.numpy import save as to_bytes

    arrays = arrays_of(program)
    header = {
        "version": VERSION,
        "n_in": program.n_in,
        "stages": [_described(stage) for stage in program.stages],
        "loss": None if loss is None else list(loss),
        "validation": None if validation is None else list(validation),
    }
    if meaning is not None:
        header["meaning"] = meaning.to_json()
    header["sha256"] = _checksum(header, arrays)
    atomic_write(path, to_bytes(arrays, {"minidnn-inference": json.dumps(header, sort_keys=True)}))


def arrays_of(program: Program) -> dict[str, Array]:
    """Every array that `save` writes, by name: ``0.values``, ``0.bias``, ..."""
    return {f"{i}.{name}": array for i, s in enumerate(program.stages) for name, array in _arrays(s).items()}


def bytes_by_stage(program: Program) -> list[int]:
    """How many bytes each stage's arrays take."""
    return [sum(array.nbytes for array in _arrays(stage).values()) for stage in program.stages]


def summary(stage: Stage, widths: Sequence[int]) -> tuple[str, str, str, str]:
    """Kind, shape, how it is stored, density."""
    if not isinstance(stage, Product):
        what = getattr(stage, "activation", stage.kind)
        return what, f"{widths[stage.source]} -> {widths[stage.target]}", "", ""
    w = stage.weights
    kind = "dense" if stage.activation == "identity" else f"dense, {stage.activation}"
    stored = f"{'sparse' if w.is_sparse else 'dense'} {w.dtype}"
    return kind, f"{w.n_in} -> {w.n_out}", stored, f"{w.density:.3f}"


def _arrays(stage: Stage) -> dict[str, Array]:
    own = {f.name: getattr(stage, f.name) for f in fields(stage)}
    arrays = {name: value for name, value in own.items() if isinstance(value, np.ndarray)}
    if isinstance(stage, Product):
        w = _thinned(stage.weights)
        arrays["values"] = w.values
        if w.starts is not None and w.rows is not None:
            arrays["counts"] = _small(np.diff(w.starts.astype(np.int64)))
            arrays["gaps"] = _small(_gaps(w.starts, w.rows))
        if w.quantization is not None:
            arrays["scales"] = w.quantization.scales
    return arrays


def _thinned(w: Weights) -> Weights:
    """The weights without their zeros if that makes the file smaller, even if they run dense."""
    if w.is_sparse or w.n_in > MOST_SPARSE_INPUTS or not 1 / SPARSEST <= w.density < 1:
        return w
    thin = w.sparse()
    assert thin.starts is not None and thin.rows is not None
    gaps = _small(_gaps(thin.starts, thin.rows))
    return thin if thin.values.nbytes + gaps.nbytes + 4 * w.n_out < w.values.nbytes else w


def _small(numbers: Array) -> Array:
    """The numbers in the smallest unsigned dtype that holds them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def _gaps(starts: Array, rows: Array) -> Array:
    """The difference of each row from the one before it in its column; the first one's from 0."""
    gaps = np.diff(rows.astype(np.int64), prepend=0)
    first = starts[:-1][np.diff(starts.astype(np.int64)) > 0]
    gaps[first] = rows[first]
    return gaps


def _described(stage: Stage) -> dict[str, Any]:
    own = {f.name: getattr(stage, f.name) for f in fields(stage)}
    plain = {name: value for name, value in own.items() if not isinstance(value, (np.ndarray, Weights))}
    if isinstance(stage, Product):
        w = stage.weights
        plain |= {"n_in": w.n_in, "n_out": w.n_out, "dtype": w.dtype}
        plain |= {"sparse": w.is_sparse, "thin": _thinned(w).is_sparse}
        if w.quantization is not None:
            plain |= {"scale": w.quantization.scale, "zero": w.quantization.zero}
    return {"kind": stage.kind} | plain


def _checksum(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    """The SHA-256 of the header, apart from the checksum itself, and of every array."""
    content = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def load(content: Content) -> tuple[Program, Loss | None, Validation | None]:
    """Reads what `save` wrote. A file can neither name code nor cause allocations much larger than its content.

    Raises:
        CheckpointError: the file is damaged, of another version, or invalid.
    """
    path, metadata, arrays = content
    try:
        if "minidnn-inference" not in metadata:
            raise ValueError("it holds no compiled model; minidnn.load reads models that can be trained")
        header = json.loads(metadata["minidnn-inference"])
        _check(isinstance(header, dict), "its header is not an object")
        _check(header.get("version") == VERSION, f"its version is {header.get('version')!r}, must be {VERSION}")
        _check(header.get("sha256") == _checksum(header, arrays), "its checksum differs")
        size = len(metadata["minidnn-inference"]) + sum(array.nbytes for array in arrays.values())
        program = _program(header, arrays, VALUES_PER_BYTE * size)
        return program, _loss(header["loss"]), _validation(header["validation"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        what = f"{error!r}" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(f"load: {path} is invalid as a compiled model: {what}") from error


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _loss(loss: Any) -> Loss | None:
    if loss is None:
        return None
    _check(isinstance(loss, list) and len(loss) == 4, "its loss is not four numbers")
    largest, mean, changed = (float(number) for number in loss[:3])
    return Loss(largest, mean, changed, _whole(loss[3], 1, MOST_EXAMPLES))


def _validation(counts: Any) -> Validation | None:
    if counts is None:
        return None
    _check(isinstance(counts, list) and len(counts) == 4, "its validation is not four counts")
    examples = _whole(counts[0], 1, MOST_EXAMPLES)
    before, after, changed = (_whole(count, 0, examples) for count in counts[1:])
    return Validation(examples, before, after, changed)


def _program(header: Mapping[str, Any], arrays: dict[str, Array], most: int) -> Program:
    n_in, described = _whole(header["n_in"], 1, WIDEST), header["stages"]
    _check(isinstance(described, list) and len(described) <= LONGEST, "its stages are not a list")
    left = dict(arrays)
    stages: list[Stage] = []
    widths = [n_in]
    for i, description in enumerate(described):
        stage = _stage(i, description, left, widths)
        stages.append(stage)
        widths.append(_whole(stage.width(widths), 1, WIDEST))
    _check(sum(widths) <= most, f"it has more values than its {most // VALUES_PER_BYTE} bytes allow")
    _check(not left, f"it has arrays that belong to no stage: {', '.join(left)}")
    return Program(n_in, tuple(stages))


def _stage(i: int, description: Any, left: dict[str, Array], widths: Sequence[int]) -> Stage:
    entries = dict(description)
    kind = KINDS.get(entries.pop("kind", None))
    _check(kind is not None, f"stage {i} has an unknown kind")
    assert kind is not None
    values: dict[str, Any] = {
        "source": _whole(entries.pop("source"), 0, i),
        "target": _whole(entries.pop("target"), i + 1, i + 1),
        "name": str(entries.pop("name")),
    }
    other = entries.pop("other")
    _check((other is None) == (kind.kind not in ("add", "concat")), f"stage {i} reads too many or too few values")
    values["other"] = None if other is None else _whole(other, 0, i)
    n = widths[values["source"]]
    if kind.kind == "add":
        _check(widths[values["other"]] == n, f"stage {i} adds {widths[values['other']]} values to {n}")
    names = {f.name for f in fields(kind)} - set(values)
    if kind is Product:
        _check(entries["n_in"] == n, f"stage {i} takes {entries['n_in']} values, its source has {n}")
        values["weights"] = _weights(i, entries, left)
        n = values["weights"].n_out
        names.remove("weights")
    for name in names:
        values[name] = _field(i, name, entries, left, n)
    _check(not entries, f"stage {i} has unknown entries: {', '.join(entries)}")
    return kind(**values)


def _field(i: int, name: str, entries: dict[str, Any], left: dict[str, Array], n: int) -> Any:
    if name == "activation":
        activation = entries.pop("activation")
        _check(activation == "identity" or activation in ALPHA, f"stage {i} has an unknown activation")
        return activation
    if name in ("alpha", "eps"):
        number = entries.pop(name)
        _check(isinstance(number, float) and math.isfinite(number), f"stage {i} has an {name} that is not finite")
        return number
    return _array(i, name, left, np.float32, (n,))


def _array(i: int, name: str, left: dict[str, Array], dtype: Any, shape: tuple[int, ...]) -> Array:
    array = left.pop(f"{i}.{name}")
    _check(array.dtype == dtype and array.shape == shape, f"{i}.{name} is {array.dtype} {array.shape}, must be {shape}")
    if array.dtype.kind == "f":
        _check(bool(np.isfinite(array).all()), f"{i}.{name} has numbers that are not finite")
    return array


def _weights(i: int, entries: dict[str, Any], left: dict[str, Array]) -> Weights:
    n_in, n_out = (_whole(entries.pop(name), 1, WIDEST) for name in ("n_in", "n_out"))
    dtype, sparse, thin = entries.pop("dtype"), entries.pop("sparse"), entries.pop("thin")
    _check(dtype in STORED and isinstance(sparse, bool) and isinstance(thin, bool), f"stage {i} has an unknown form")
    _check(thin or not sparse, f"stage {i} is sparse, but its zeros are stored")
    quantization = None
    if dtype == "int8":
        scale, zero = entries.pop("scale"), _whole(entries.pop("zero"), 0, 255)
        _check(isinstance(scale, float) and 0 < scale < 3e38, f"stage {i} has a scale that is not positive and finite")
        quantization = Quantization(scale, zero, _array(i, "scales", left, np.float32, (n_out,)))
    shape = (n_in, n_out)
    if not thin:
        return _sound(Weights(*shape, _array(i, "values", left, STORED[dtype], shape), quantization=quantization), i)
    starts, rows = _places(i, n_in, n_out, left)
    values = _array(i, "values", left, STORED[dtype], rows.shape)
    weights = _sound(Weights(*shape, values, starts, rows, quantization), i)
    if sparse:
        return weights
    _check(n_in * n_out <= SPARSEST * values.size, f"stage {i} has too few nonzeros for a dense layer")
    return Weights(*shape, weights.dense(), quantization=quantization)


def _places(i: int, n_in: int, n_out: int, left: dict[str, Array]) -> tuple[Array, Array]:
    """starts and rows of sparse weights, from the nonzeros per column and the gaps between their rows."""
    _check(n_in <= MOST_SPARSE_INPUTS, f"stage {i} has {n_in} inputs, too many to be sparse")
    counts, gaps = left.pop(f"{i}.counts"), left.pop(f"{i}.gaps")
    _check(counts.dtype.kind == gaps.dtype.kind == "u", f"{i}.counts and {i}.gaps are not unsigned")
    _check(counts.shape == (n_out,) and int(counts.max()) <= n_in, f"{i}.counts is not {n_out} numbers up to {n_in}")
    starts = np.concatenate([[0], counts.astype(np.int64).cumsum()])
    _check(gaps.shape == (int(starts[-1]),) and gaps.size < 1 << 32, f"the length of {i}.gaps is not the sum of counts")
    return starts.astype(np.uint32), _rows(i, starts, gaps, n_in)


def _rows(i: int, starts: Array, gaps: Array, n_in: int) -> Array:
    """The rows: the cumulative sum of the gaps of each column."""
    later = np.ones(gaps.size, bool)
    later[starts[:-1][np.diff(starts) > 0]] = False
    _check(bool((gaps[later] > 0).all()), f"{i}.gaps has zeros")
    sums = np.concatenate([[0], gaps.astype(np.int64).cumsum()])
    rows = sums[1:] - np.repeat(sums[starts[:-1]], np.diff(starts))
    _check(not rows.size or int(rows.max()) < n_in, f"{i}.gaps exceed the {n_in} rows")
    return rows.astype(np.uint16)


def _sound(weights: Weights, i: int) -> Weights:
    """Raises a ValueError for a bfloat16 that is not finite, or a byte of -128."""
    if weights.dtype == "bfloat16":
        _check(bool(((weights.values & 0x7F80) != 0x7F80).all()), f"{i}.values has numbers that are not finite")
    if weights.dtype == "int8":
        _check(not weights.values.size or int(weights.values.min()) >= -127, f"{i}.values has -128")
    return weights


def _whole(value: Any, low: int, high: int) -> int:
    _check(isinstance(value, int) and not isinstance(value, bool), f"{value!r} is not a whole number")
    _check(low <= value <= high, f"{value} is not in [{low}, {high}]")
    return int(value)
