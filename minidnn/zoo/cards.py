"""Model cards, and manifests: lists of cards as JSON, which are validated, since they may come from anyone."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

VERSION = 1
MANIFEST = "zoo.json"
"""The file of a catalogue that holds its cards."""

LARGEST = 8 << 20
"""The largest size of a manifest, in bytes. This limit and the next two guard against hostile manifests."""
LONGEST = 2000
"""The largest number of characters of a text."""
MOST = 10_000
"""The largest number of cards of a manifest, and of metrics and tags of a card."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")


class ZooError(ValueError):
    """A card, a catalogue or one of its files is invalid or missing; the message names it and the fault."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known about a model.

    Args:
        name: at most 64 lower-case letters, digits, ``-``, ``_`` and ``.``, since it is part of file names.
        task: the purpose, such as "classification of digits".
        data: the data it was trained on.
        metrics: results, by name: ``{"test_accuracy": 0.981}``.
        licence: of the weights.
        description: anything else worth knowing.
        tags: words for the search.
        architecture: filled in by `add`, as are the next three.
        date: the day it was added, such as 2017-03-13.
        sha256: of the file.
        size: of the file in bytes.

    Raises:
        ZooError: a field is missing, too long, has the wrong type, or is not printable.
    """

    name: str
    task: str
    data: str
    metrics: Mapping[str, float]
    licence: str
    description: str = ""
    tags: tuple[str, ...] = ()
    architecture: str = ""
    date: str = ""
    sha256: str = ""
    size: int = 0

    def __post_init__(self) -> None:
        check_name(self.name)
        for name in ("task", "data", "licence", "description", "architecture", "date", "sha256"):
            self._check_text(name, getattr(self, name), lines=name == "description")
        for needed in ("task", "data", "licence"):
            if not getattr(self, needed):
                raise ZooError(f"card {self.name}: {needed} is empty")
        if not isinstance(self.metrics, Mapping) or len(self.metrics) > MOST:
            raise ZooError(f"card {self.name}: metrics must be numbers by name")
        for metric, value in self.metrics.items():
            self._check_text("metrics", metric)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e300:
                raise ZooError(f"card {self.name}: metrics.{metric} is {_short(value)}, must be a finite number")
        object.__setattr__(self, "metrics", dict(self.metrics))
        if not isinstance(self.tags, (list, tuple)) or len(self.tags) > MOST:
            raise ZooError(f"card {self.name}: tags must be words")
        for tag in self.tags:
            self._check_text("tags", tag)
        object.__setattr__(self, "tags", tuple(self.tags))
        if self.sha256 and not SHA256.fullmatch(self.sha256):
            raise ZooError(f"card {self.name}: sha256 must be 64 hexadecimal digits")
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 0:
            raise ZooError(f"card {self.name}: size is {_short(self.size)}, must be a number of bytes")
        if self.date:
            self._check_date()

    def _check_text(self, where: str, text: Any, lines: bool = False) -> None:
        if not isinstance(text, str):
            raise ZooError(f"card {self.name}: {where} is a {type(text).__name__}, must be text")
        if len(text) > LONGEST:
            raise ZooError(f"card {self.name}: {where} has {len(text)} characters, at most {LONGEST}")
        if not (text.replace("\n", "") if lines else text).isprintable():
            raise ZooError(f"card {self.name}: {where} holds characters that cannot be printed")

    def _check_date(self) -> None:
        try:
            date.fromisoformat(self.date)
        except ValueError as error:
            raise ZooError(f"card {self.name}: date is {_short(self.date)}, must be like 2017-03-13") from error

    @property
    def file(self) -> str:
        """The name of the model's file, with a part of its checksum, so that no other content is overwritten."""
        return f"{self.name}-{self.sha256[:16]}.safetensors"

    def matches(self, words: str) -> bool:
        """Whether each of these words is the beginning of a word of the card; elu does not match relu."""
        own = {word for value in dataclasses.asdict(self).values() for word in _words(str(value))}
        return all(any(word.startswith(wanted) for word in own) for wanted in _words(words))

    def __str__(self) -> str:
        rows = {name: value for name, value in dataclasses.asdict(self).items() if value}
        rows["metrics"] = ", ".join(f"{name} {value:g}" for name, value in self.metrics.items())
        rows["tags"] = " ".join(self.tags)
        if self.size:
            rows["size"] = f"{self.size:,} bytes"
        return "\n".join(f"{name:12}  {value}" for name, value in rows.items() if value)


def check_name(name: Any) -> str:
    """The name.

    Raises:
        ZooError: it is not a valid model name, such as a path that leaves the catalogue's folder.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name) or ".." in name:
        raise ZooError(
            f"{_short(name)} is not a valid model name: must be 1 to 64 lower-case letters, digits, -, _ and single "
            "dots, the first a letter or digit"
        )
    return name


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_manifest(content: bytes, where: str | Path) -> list[Card]:
    """The cards of a manifest.

    Raises:
        ZooError: it is too large, is not JSON as `write_manifest` writes it, or has one name twice.
    """
    if len(content) > LARGEST:
        raise ZooError(f"{where} has {len(content)} bytes, a manifest has at most {LARGEST}")
    try:
        document = json.loads(content.decode(), parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ZooError(f"{where} is not a manifest: {error}") from error
    if not isinstance(document, dict) or document.keys() != {"version", "models"}:
        raise ZooError(f"{where} is not a manifest: it must have the keys version and models")
    if document["version"] != VERSION:
        raise ZooError(
            f"{where} is of version {_short(document['version'])}, this release of minidnn reads version {VERSION}"
        )
    entries = document["models"]
    if not isinstance(entries, list) or len(entries) > MOST:
        raise ZooError(f"{where}: models must be a list of at most {MOST}")
    cards = [_card(entry, f"{where}, models[{i}]") for i, entry in enumerate(entries)]
    names = [card.name for card in cards]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ZooError(f"{where}: {twice} is listed twice")
    return cards


def write_manifest(cards: Iterable[Card]) -> bytes:
    """The cards as JSON.

    Raises:
        ZooError: there are more than a manifest may hold.
    """
    models = [dataclasses.asdict(card) for card in cards]
    content = (json.dumps({"version": VERSION, "models": models}, indent=1, ensure_ascii=False) + "\n").encode()
    if len(models) > MOST or len(content) > LARGEST:
        raise ZooError(f"a manifest holds at most {MOST} cards and {LARGEST} bytes: this catalogue is full")
    return content


FIELDS = {item.name for item in dataclasses.fields(Card)}


def _card(entry: Any, where: str) -> Card:
    if not isinstance(entry, dict):
        raise ZooError(f"{where} is a {type(entry).__name__}, must be a card")
    if entry.keys() != FIELDS:
        faults = [f"lacks {name}" for name in sorted(FIELDS - entry.keys())]
        faults += [f"has an unknown {name[:80]!r}" for name in sorted(entry.keys() - FIELDS)[:5]]
        raise ZooError(f"{where} {', '.join(faults)}")
    try:
        card = Card(**entry)
    except ZooError as error:
        raise ZooError(f"{where}: {error}") from error
    if not (card.sha256 and card.size):
        raise ZooError(f"{where}: card {card.name} has no checksum or no size")
    return card


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
