"""Registries: catalogues of others, behind a web server."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from minidnn.data.fetching import download
from minidnn.reuse.zoo.cards import LARGEST, MANIFEST, Card, ZooError, check_name, read_manifest
from minidnn.reuse.zoo.catalogue import Catalogue

TIMEOUT = 30.0


def remote_cards(registry: str) -> list[Card]:
    """The cards of a registry.

    Args:
        registry: the address of its folder, ``https://models.example.org/zoo``.

    Raises:
        ZooError: the address is not of http or https; what it gives is no manifest.
        OSError: it cannot be reached.
    """
    from http.client import HTTPException
    from urllib.request import Request, urlopen  # slow to import

    address = f"{_checked(registry)}/{MANIFEST}"
    try:
        with urlopen(Request(address, headers={"User-Agent": "minidnn"}), timeout=TIMEOUT) as response:
            content: bytes = response.read(LARGEST + 1)
    except (OSError, HTTPException) as error:
        raise OSError(f"{address} cannot be reached: {error}") from error
    return read_manifest(content, address)


def fetch(name: str, registry: str, into: Catalogue, replace: bool = False, progress: bool = True) -> Card:
    """Downloads a model of a registry into a catalogue, and checks it against its card; returns the card.

    Raises:
        ZooError: the registry has no such model; the name is taken in the catalogue.
        DownloadError: the file could not be had, or its checksum is not the card's.
        ImportError: pooch is missing; names the extra.
        OSError: the catalogue cannot be written.
    """
    import tempfile  # slow to import

    check_name(name)
    base = _checked(registry)
    card = next((card for card in remote_cards(registry) if card.name == name), None)
    if card is None:
        raise ZooError(f"there is no {name} at {registry}")
    if into.find(name) and not replace:
        raise ZooError(f"{name} is in {into.folder} already; replace=True takes its place")
    with tempfile.TemporaryDirectory() as folder:
        path = download([f"{base}/{card.file}"], card.sha256, Path(folder) / card.file, progress, size=card.size)
        return into.take(path.read_bytes(), card, replace)


def _checked(registry: str) -> str:
    parts = urlsplit(registry)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ZooError(f"registry {registry!r} must be an address of http or https")
    return registry.rstrip("/")
