"""From .safetensors files of any library."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from minidnn.convert.building import ConversionError, M, as_array, put
from minidnn.models.saving import read_tensors
from minidnn.reference.types import Array


def from_safetensors(
    path: str | os.PathLike[str],
    into: M,
    names: Mapping[str, str] | Callable[[str], str] | None = None,
    transpose: bool | Iterable[str] = False,
    ignore: Iterable[str] = (),
) -> M:
    """Puts the weights of a ``.safetensors`` file into a model, all of them or none.

    ``from_safetensors("mlp.safetensors", model, {"fc1.weight": "hidden1.kernel", "fc1.bias": "hidden1.bias"},
    transpose=True)`` reads a file written by PyTorch, whose matrices are (n_out, n_in). Weights of float16, bfloat16
    and float64 become float32.

    Args:
        into: the model that receives the weights; its training or evaluation mode is kept.
        names: name in the file -> path in the model, as a function or a mapping; a mapping keeps all other names.
        transpose: True for every matrix; or patterns of names in the file, such as ``"*.weight"``.
        ignore: patterns of names in the file to leave out, such as ``"*.num_batches_tracked"``.

    Returns:
        ``into``.

    Raises:
        CheckpointError: the file is damaged, or holds a dtype that NumPy does not have (the 8-bit floats).
        ConversionError: two tensors have one path, a pattern matches nothing, paths or shapes do not match.
        OSError: the file cannot be read.
    """
    source = f"from_safetensors: {Path(path)}"
    tensors = read_tensors(Path(path))
    left_out = {name for pattern in ignore for name in _matches(source, "ignore", pattern, tensors)}
    turned = {name for name, array in tensors.items() if transpose is True and array.ndim == 2}
    if not isinstance(transpose, bool):
        turned = {name for pattern in transpose for name in _matches(source, "transpose", pattern, tensors)}
    rename = names if callable(names) else lambda name: (names or {}).get(name, name)
    if isinstance(names, Mapping) and (unknown := [name for name in names if name not in tensors]):
        raise ConversionError(f"{source} holds no {', '.join(unknown)}; it holds {', '.join(tensors) or 'nothing'}")
    state: dict[str, Array] = {}
    for name, value in tensors.items():
        if name in left_out:
            continue
        target, array = rename(name), as_array(f"{source}: {name}", value)
        if target in state:
            raise ConversionError(f"{source}: two tensors map to {target}, one of them {name}")
        if name in turned and array.ndim != 2:
            raise ConversionError(f"{source}: {name} has shape {array.shape}, only a matrix can be transposed")
        state[target] = array.T if name in turned else array
    return put(into, state, source)


def _matches(source: str, argument: str, pattern: str, names: Iterable[str]) -> list[str]:
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        raise ConversionError(f"{source}: {argument} has {pattern!r}, which matches nothing")
    return found
