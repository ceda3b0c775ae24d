"""External data: tensors of an ONNX file that are stored in other files beside it, as PyTorch writes them."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from minidnn.convert.building import ConversionError


def fetch(tensors: Sequence[Any], folder: Path | None) -> None:
    """Reads the external data of each tensor into the tensor.

    Args:
        folder: the folder of the model's file; None if the model was not read from a path.

    Raises:
        ConversionError: a location is outside the folder or not a regular file; more bytes than the file has.
        OSError: a file cannot be read.
    """
    if folder is None:
        raise ConversionError(
            f"from_onnx: tensor {tensors[0].name!r} is external data, which needs the path of the model; give the "
            "path, or onnx.load(path)"
        )
    taken: Counter[Path] = Counter()
    for tensor in tensors:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        path = _inside(tensor, folder, entries.get("location", ""))
        size = path.stat().st_size
        offset, length = _range(tensor, entries, size)
        taken[path] += length
        if taken[path] > size:
            raise _refused(tensor, f"tensors share bytes of {path.name}")
        with open(path, "rb") as file:
            file.seek(offset)
            content = file.read(length)
        if len(content) != length:
            raise _refused(tensor, f"{path.name} is truncated")
        tensor.raw_data = content
        tensor.ClearField("external_data")
        tensor.data_location = 0


def _inside(tensor: Any, folder: Path, location: str) -> Path:
    """The path of the file, which must be a regular file within the folder after links are resolved."""
    names = (PurePosixPath(location), PureWindowsPath(location))
    leaves = any(name.is_absolute() or name.drive or ".." in name.parts for name in names)
    if not location or leaves or "\0" in location:
        raise _refused(tensor, f"its location is {location!r}, must be within the folder of the model")
    base = Path(os.path.realpath(folder))
    path = Path(os.path.realpath(base / location))
    if not path.is_relative_to(base):
        raise _refused(tensor, f"its location is {location!r}, a link that leaves the folder of the model")
    if not path.exists():
        raise _refused(tensor, f"there is no file {location!r} beside the model; copy it there")
    if not stat.S_ISREG(path.stat().st_mode):
        raise _refused(tensor, f"its location is {location!r}, must be a file")
    return path


def _range(tensor: Any, entries: dict[str, str], size: int) -> tuple[int, int]:
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries["length"]) if "length" in entries else size - offset
    except ValueError as error:
        raise _refused(tensor, f"its offset or length is invalid: {error}") from error
    if offset < 0 or length < 0 or offset + length > size:
        raise _refused(tensor, f"its bytes are {offset} to {offset + length} of a file of {size}")
    return offset, length


def _refused(tensor: Any, why: str) -> ConversionError:
    return ConversionError(f"from_onnx: tensor {tensor.name!r}: external data: {why}")
