"""Registries: catalogues of others, behind a web server."""

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
"""Seconds without a byte after which a registry counts as dead."""
DEADLINE = 60.0
"""Seconds for a whole manifest, and for a model beside those that its bytes take at `SLOWEST`."""
SLOWEST = 20_000
"""Bytes a second; at less the model is not waited for."""
MOST_BYTES = 2 << 30
"""Of a model; it is read into memory before it is kept."""


def remote_cards(registry: str) -> list[Card]:
    """The cards of a registry.

    Args:
        registry: the address of its folder, ``https://models.example.org/zoo``.

    Raises:
        ZooError: the address is not of http or https; what it gives is no manifest.
        OSError: it cannot be reached, or has not sent all of it before the deadline.
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
            error.close()  # it holds the connection and what the server said
        raise OSError(f"{address} cannot be reached: {error}") from error
    return read_manifest(content, address)


def fetch(name: str, registry: str, into: Catalogue, replace: bool = False, progress: bool = True) -> Card:
    """Downloads a model of a registry into a catalogue, and checks it against its card; returns the card.

    The file must hold a model that can be built before anything in the catalogue is replaced by it.

    Raises:
        ZooError: the registry has no such model, or one that is too large, or whose file holds no model; the name is
            taken in the catalogue.
        DownloadError: the file could not be had in time, or its checksum is not the card's.
        ImportError: pooch is missing; names the extra.
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
        raise ZooError(f"{name} is in {into.folder} already; replace=True takes its place")
    deadline = DEADLINE + card.size / SLOWEST
    with tempfile.TemporaryDirectory() as folder:
        path, urls = Path(folder) / card.file, [f"{base}/{card.file}"]
        download(urls, card.sha256, path, progress, size=card.size, timeout=TIMEOUT, deadline=deadline)
        try:
            load(path)
        except CheckpointError as error:
            raise ZooError(f"{name} at {registry} is no model: {str(error).replace(str(path), card.file)}") from error
        return into.take(path.read_bytes(), card, replace)


def _read(response: Any, until: float) -> bytes:
    """At most one byte more than a manifest may have, as it comes."""
    content = bytearray()
    while len(content) <= LARGEST and (chunk := response.read1(LARGEST + 1 - len(content))):
        content += chunk
        if time.monotonic() > until:
            raise OSError(f"it sent {len(content)} bytes before the deadline")
    return bytes(content)


def _checked(registry: str) -> str:
    parts = urlsplit(registry)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ZooError(f"registry {registry!r} must be an address of http or https")
    return registry.rstrip("/")
