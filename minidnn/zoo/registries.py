"""Registries: catalogues behind a web server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from minidnn.data.fetching import download
from minidnn.models.saving import CheckpointError, load
from minidnn.zoo.cards import LARGEST, MANIFEST, Card, ZooError, check_name, read_manifest
from minidnn.zoo.catalogue import Catalogue

TIMEOUT = 30.0
"""Seconds without a byte after which a connection is abandoned."""
DEADLINE = 60.0
"""Seconds for a manifest; and for a model, in addition to the time that its bytes take at `SLOWEST`."""
SLOWEST = 20_000
"""The lowest rate of a download, in bytes per second, before it is abandoned."""
MOST_BYTES = 2 << 30
"""The largest size of a model, in bytes: it is read into memory before it is added."""


def remote_cards(registry: str) -> list[Card]:
    """The cards of a registry.

    Args:
        registry: the address of its folder, ``https://models.example.org/zoo``.

    Raises:
        ZooError: registry is not an http or https address; the response is not a manifest.
        OSError: the registry cannot be reached, or did not send the whole manifest before the deadline.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen  # slow to import

    address = f"{_checked(registry)}/{MANIFEST}"
    try:
        with urlopen(Request(address, headers={"User-Agent": "minidnn"}), timeout=TIMEOUT) as response:
            content = _read(response, time.monotonic() + DEADLINE)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):
            error.close()  # it holds the connection and the response
        raise OSError(f"{address} cannot be reached: {error}") from error
    return read_manifest(content, address)


def fetch(name: str, registry: str, into: Catalogue, replace: bool = False, progress: bool = True) -> Card:
    """Downloads a model of a registry into a catalogue, and verifies it against its card; returns the card.

    The model is built from the file before the catalogue is changed.

    Raises:
        ZooError: the registry has no such model, it is too large, or its file holds no model; the name is taken in the
            catalogue.
        DownloadError: the file could not be downloaded in time, or its checksum is not the card's.
        ImportError: pooch is missing; the message names the extra.
        OSError: the catalogue cannot be written.
    """
    import tempfile  # slow to import

    check_name(name)
    base = _checked(registry)
    card = next((card for card in remote_cards(registry) if card.name == name), None)
    if card is None:
        raise ZooError(f"there is no {name} at {registry}")
    if card.size > MOST_BYTES:
        raise ZooError(f"{name} at {registry} has {card.size:,} bytes, at most {MOST_BYTES:,} are downloaded")
    if into.find(name) and not replace:
        raise ZooError(f"{name} is in {into.folder} already; replace=True replaces it")
    deadline = DEADLINE + card.size / SLOWEST
    with tempfile.TemporaryDirectory() as folder:
        path, urls = Path(folder) / card.file, [f"{base}/{card.file}"]
        download(urls, card.sha256, path, progress, size=card.size, timeout=TIMEOUT, deadline=deadline)
        try:
            load(path)
        except CheckpointError as error:
            raise ZooError(
                f"{name} at {registry} is not a model: {str(error).replace(str(path), card.file)}"
            ) from error
        return into.take(path.read_bytes(), card, replace)


def _read(response: Any, until: float) -> bytes:
    """Reads at most one byte more than a manifest may have, chunk by chunk until the deadline."""
    content = bytearray()
    while len(content) <= LARGEST and (chunk := response.read1(LARGEST + 1 - len(content))):
        content += chunk
        if time.monotonic() > until:
            raise OSError(f"it sent {len(content)} bytes before the deadline")
    return bytes(content)


def _checked(registry: str) -> str:
    parts = urlsplit(registry)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ZooError(f"registry is {registry!r}, must be an http or https address")
    return registry.rstrip("/")
