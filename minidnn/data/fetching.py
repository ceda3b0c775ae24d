"""Verified downloads from several mirrors that resume after an interruption, with pooch (extra ``zoo``)."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from minidnn.locks import locked
from minidnn.standard_error import is_terminal

CHUNK = 1 << 16


class DownloadError(OSError):
    """No mirror delivered the file; the message has each mirror's error and where to put the file by hand."""


def cache_folder(*parts: str) -> Path:
    """The folder of downloads: ``$MINIDNN_DATA``, else the folder ``minidnn`` in the user's cache.

    The cache is ``$XDG_CACHE_HOME``, else ``~/.cache`` (``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%`` on Windows,
    where the folder is ``minidnn\\Cache``).
    """
    if own := os.environ.get("MINIDNN_DATA"):
        return Path(own).expanduser().joinpath(*parts)
    import platformdirs

    return platformdirs.user_cache_path("minidnn", appauthor=False).joinpath(*parts)


def matches(path: str | os.PathLike[str], known_hash: str) -> bool:
    """Whether there is a file with this checksum, ``"sha256:..."``, ``"md5:..."`` or a bare SHA-256.

    Raises:
        ValueError: an unknown algorithm, or a digest of the wrong length.
    """
    algorithm, digest = _parse(known_hash)
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest() == digest
    except FileNotFoundError:
        return False


def download(
    urls: Sequence[str],
    known_hash: str,
    path: str | os.PathLike[str],
    progress: bool = True,
    *,
    size: int | None = None,
    timeout: float = 30.0,
    deadline: float | None = None,
) -> Path:
    """Downloads the file with this checksum to path, unless it exists; path never holds an incomplete file.

    The mirrors are tried in turn. An interrupted download stays beside path as ``.NAME.HASH.part``; the next attempt,
    of this process or a later one, requests the rest (HTTP ``Range``). If several processes need the file, one
    downloads it and the others wait. pooch is only needed for a download.

    Args:
        urls: mirrors of one file, http or https.
        known_hash: ``"sha256:..."``, ``"md5:..."`` or a bare SHA-256.
        path: the file; its folder is created.
        progress: show a progress bar, if standard error is a terminal.
        size: the file's size in bytes, if known; a mirror that sends more is abandoned at once.
        timeout: seconds without a byte after which a mirror is abandoned.
        deadline: seconds for the download over all mirrors; what has arrived by then stays for the next attempt.

    Raises:
        DownloadError: no mirror delivered the file, or there is no network.
        ImportError: pooch is needed and missing; the message names the extra.
        ValueError: known_hash is invalid, or urls is empty.
        OSError: the file cannot be written.
    """
    path = Path(path).absolute()
    if matches(path, known_hash):
        return path
    if not urls:
        raise ValueError("download: urls is empty")
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f'download: {path.name} needs pooch; install it with: pip install "minidnn[zoo]", or put the file '
            f"(from {urls[0]}) at {path}"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    until = None if deadline is None else time.monotonic() + deadline
    fetcher = _Resuming(path, _parse(known_hash)[1], size, timeout, progress, until)
    faults = [f"the one at {path} has another checksum"] if path.exists() else []
    with locked(path.with_name(f".{path.name}.lock")):
        for url in urls:
            fault = _from_mirror(pooch, url, known_hash, path, fetcher)
            if fault is None:
                return path
            faults.append(f"{url}: {fault}")
    raise DownloadError(
        f"download: {path.name} could not be downloaded: {'; '.join(faults)}. Without a network, download it elsewhere "
        f"and put it at {path} (checksum {known_hash})"
    )


def _parse(known_hash: str) -> tuple[str, str]:
    algorithm, _, digest = known_hash.lower().rpartition(":")
    algorithm = algorithm or "sha256"
    try:
        length = 2 * hashlib.new(algorithm).digest_size
        int(digest, 16)
    except ValueError as error:
        raise ValueError(f"download: known_hash is {known_hash!r}, must be like sha256:0123...") from error
    if len(digest) != length:
        raise ValueError(f"download: known_hash is {known_hash!r}, {algorithm} has {length} digits, not {len(digest)}")
    return algorithm, digest


def _from_mirror(pooch: Any, url: str, known_hash: str, path: Path, fetcher: _Resuming) -> str | None:
    """None, or why this mirror failed. It is retried as long as each attempt receives more bytes."""
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    may_restart = fetcher.received() > 0
    while True:
        before = fetcher.received()
        try:
            pooch.retrieve(url, known_hash, path.name, path.parent, downloader=fetcher)
            return None
        except (RequestException, HTTPError, _RefusedError) as error:
            fault = f"{type(error).__name__.removeprefix('_')}: {error}"
        except ValueError as error:  # pooch's error for a wrong checksum; it has deleted the file
            fault = f"another checksum: {error}"
        if fetcher.received() > before and not fetcher.is_late():
            continue
        if fetcher.received() or not may_restart or fetcher.is_late():
            return fault
        may_restart = False  # the partial file was wrong, so this mirror may start over


class _RefusedError(Exception):
    """A response that is not the file."""


class _Resuming:
    """A downloader for pooch that resumes an interrupted download."""

    def __init__(
        self, path: Path, digest: str, size: int | None, timeout: float, progress: bool, until: float | None
    ) -> None:
        self.name, self.part = path.name, path.with_name(f".{path.name}.{digest[:16]}.part")
        self.size, self.timeout = size, timeout
        self.progress = progress and is_terminal()
        self.until = until

    def is_late(self) -> bool:
        return self.until is not None and time.monotonic() > self.until

    def received(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        if not self.received() or self.received() != self.size:
            self._request(url)
        os.replace(self.part, output_file)

    def _request(self, url: str) -> None:
        import requests

        if self.is_late():
            raise _RefusedError("not requested, the deadline has passed")
        start = self.received()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
            sent = response.headers.get("Content-Range", "")
            if response.status_code == 416 and sent == f"bytes */{start}":
                return  # the partial file is complete
            if response.status_code == 416 or (response.status_code == 206 and not sent.startswith(f"bytes {start}-")):
                self.part.unlink(missing_ok=True)
                raise _RefusedError(f"the request was for bytes from {start}, the answer is {sent!r}")
            response.raise_for_status()
            if response.status_code != 206:
                start = 0  # a server without ranges sends the whole file
            self._copy(response, start)

    def _copy(self, response: Any, start: int) -> None:
        from tqdm import tqdm

        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else self.size
        if self.size not in (None, total):
            raise _RefusedError(f"has {total} bytes, must have {self.size}")
        bar = tqdm(desc=self.name, initial=start, total=total, unit="B", unit_scale=True, disable=not self.progress)
        with bar, open(self.part, "ab" if start else "wb") as file:
            # Raw, so that a .gz file is not decompressed, whatever the server calls it.
            for chunk in _chunks(response.raw):
                if self.is_late():
                    raise _RefusedError(f"sent {file.tell()} bytes before the deadline")
                if total is not None and file.tell() + len(chunk) > total:
                    file.truncate(0)
                    raise _RefusedError(f"sends more than {total} bytes")
                file.write(chunk)
                bar.update(len(chunk))
            if total is not None and file.tell() < total:
                raise _RefusedError(f"ended after {file.tell()} of {total} bytes")


def _chunks(raw: Any) -> Iterator[bytes]:
    """The bytes as they arrive: waiting for a full chunk from a slow server could exceed the deadline."""
    if not hasattr(raw, "read1"):  # urllib3 before 2.1
        yield from raw.stream(CHUNK, decode_content=False)
        return
    while chunk := raw.read1(CHUNK, decode_content=False):
        yield chunk
