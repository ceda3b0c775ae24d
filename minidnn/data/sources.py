"""The data sets that can be fetched: their files, checksums, mirrors, and where a system may have them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from minidnn.data.fetching import cache_folder, download


@dataclass(frozen=True)
class Source:
    """A data set elsewhere.

    Attributes:
        files: name -> (SHA-256, bytes).
        mirrors: each holds all files, under ``MIRROR/NAME``; tried in this order.
        system: folders where a package of the system puts the same files (perhaps compressed anew, so that only the
            package manager knows their checksums).
    """

    files: Mapping[str, tuple[str, int]]
    mirrors: tuple[str, ...]
    system: tuple[str, ...] = ()


SOURCES = {
    "fashion-mnist": Source(
        files={
            "train-images-idx3-ubyte.gz": (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                26_421_880,
            ),
            "train-labels-idx1-ubyte.gz": (
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                29_515,
            ),
            "t10k-images-idx3-ubyte.gz": (
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                4_422_102,
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                5_148,
            ),
        },
        mirrors=(
            "https://fashion-mnist.s3.eu-central-1.amazonaws.com",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        ),
        system=("/usr/share/datasets/fashion-mnist",),  # Debian's dataset-fashion-mnist
    )
}


def fetch(name: str, folder: str | os.PathLike[str] | None = None, progress: bool = True) -> dict[str, Path]:
    """The files of a data set, downloaded at the first call and verified at each.

    Looked for in this order: ``folder``, or else the cache (``$MINIDNN_DATA/NAME``, see
    `minidnn.data.fetching.cache_folder`); the folder of the system's package, as long as no ``folder`` is named; the
    mirrors, whose files go where was looked first.

    Args:
        name: "fashion-mnist".
        progress: show a bar while downloading, if standard error is a terminal.

    Returns:
        The name of each file -> where it is.

    Raises:
        ValueError: an unknown name.
        DownloadError: no mirror delivered a file (also when there is no network); says where to put it by hand.
        ImportError: a download is needed, and pooch missing; names the extra.
    """
    if name not in SOURCES:
        raise ValueError(f"fetch: name must be one of {', '.join(SOURCES)}, got {name!r}")
    source = SOURCES[name]
    cache = cache_folder(name) if folder is None else Path(folder)
    if folder is None and not all((cache / file).exists() for file in source.files):
        for system in map(Path, source.system):
            if all((system / file).is_file() for file in source.files):
                return {file: system / file for file in source.files}
    return {
        file: download([f"{mirror}/{file}" for mirror in source.mirrors], sha256, cache / file, progress, size=size)
        for file, (sha256, size) in source.files.items()
    }
