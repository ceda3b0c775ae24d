"""Catalogues: folders of models with a manifest of their cards."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from minidnn.data import Meaning
from minidnn.files import atomic_write
from minidnn.locks import locked
from minidnn.models.saving import CheckpointError, load, to_bytes
from minidnn.nn import Module
from minidnn.zoo.architecture import summary
from minidnn.zoo.cards import LARGEST, MANIFEST, Card, ZooError, check_name, read_manifest, write_manifest


def user_folder() -> Path:
    """Where the user's own catalogue is: ``$MINIDNN_ZOO``, else ``minidnn/zoo`` in the user's data folder.

    That is ``$XDG_DATA_HOME``, else ``~/.local/share`` (``~/Library/Application Support`` on macOS, ``%LOCALAPPDATA%``
    on Windows).
    """
    if own := os.environ.get("MINIDNN_ZOO"):
        return Path(own).expanduser()
    import platformdirs

    return platformdirs.user_data_path("minidnn", appauthor=False) / "zoo"


class Catalogue:
    """A folder of models: ``zoo.json`` holds their cards, each model is a ``.safetensors`` file beside it.

    Whatever stops a program and whenever, the catalogue is as it was or as it should be. Programs that add at the same
    time wait for each other. A folder behind any web server is a registry for others.

    Args:
        folder: made by the first `add`.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Catalogue({str(self.folder)!r})"

    def cards(self) -> list[Card]:
        """Every card, in the order of addition; none where there is no folder yet.

        Raises:
            ZooError: the manifest is damaged.
            OSError: it cannot be read.
        """
        path = self.folder / MANIFEST
        try:
            with open(path, "rb") as file:
                content = file.read(LARGEST + 1)
        except FileNotFoundError:
            return []
        return read_manifest(content, path)

    def find(self, name: str) -> Card | None:
        """The card of that name.

        Raises:
            ZooError: no such name can be; the manifest is damaged.
        """
        check_name(name)
        return next((card for card in self.cards() if card.name == name), None)

    def path(self, card: Card) -> Path:
        """The file of a card, after its checksum was found to be right.

        Raises:
            ZooError: the file is missing, or not the one that was added.
        """
        path = self.folder / card.file
        try:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise ZooError(f"{card.name}: its file {path} is missing") from error
        if found != card.sha256:
            raise ZooError(f"{card.name}: {path} is not what was added: its SHA-256 is {found}, must be {card.sha256}")
        return path

    def load(self, card: Card) -> Module:
        """The model of a card, in evaluation mode.

        Raises:
            ZooError: the file is missing, changed, or holds no model.
        """
        path = self.path(card)
        try:
            return load(path)
        except (CheckpointError, FileNotFoundError) as error:  # a program may have removed it this very moment
            raise ZooError(f"{card.name}: {error}") from error

    def add(
        self, model: Module, card: Card | Mapping[str, Any], replace: bool = False, meaning: Meaning | None = None
    ) -> Card:
        """Saves a model with its card; architecture, checksum, size and, unless given, the date are filled in.

        Args:
            card: a `Card`, or its fields.
            replace: take the place of the model of that name.
            meaning: what inputs and outputs stand for, which the file keeps; see `minidnn.save`.

        Returns:
            The card as it stands in the catalogue.

        Raises:
            ZooError: the name is taken, a field is invalid, the catalogue is damaged (it stays as it is).
            ValueError: a layer that no file can describe.
            OSError: the folder cannot be written; the catalogue is as it was.
        """
        content = to_bytes(model, meaning=meaning)
        card = dataclasses.replace(
            _as_card(card),
            architecture=summary(model),
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )
        return self.take(content, card, replace)

    def take(self, content: bytes, card: Card, replace: bool = False) -> Card:
        """Adds a file that is there already, with the card that belongs to it.

        Raises:
            ZooError: the card is another file's; the name is taken; the catalogue is damaged.
            OSError: the folder cannot be written; the catalogue is as it was.
        """
        if hashlib.sha256(content).hexdigest() != card.sha256 or len(content) != card.size:
            raise ZooError(f"{card.name}: the card's checksum or size is not the file's")
        card = dataclasses.replace(card, date=card.date or date.today().isoformat())
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / ".lock"):
            cards = self.cards()
            before = next((other for other in cards if other.name == card.name), None)
            if before and not replace:
                raise ZooError(f"{card.name} is in {self.folder} already; replace=True takes its place")
            # The file first: a manifest never names a file that is not there yet.
            atomic_write(self.folder / card.file, content)
            others = [other for other in cards if other.name != card.name]
            atomic_write(self.folder / MANIFEST, write_manifest([*others, card]))
            if before and before.file != card.file:
                (self.folder / before.file).unlink(missing_ok=True)
        return card

    def remove(self, name: str) -> Card:
        """Deletes a model and its card; returns the card.

        Raises:
            ZooError: there is none of that name.
        """
        check_name(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / ".lock"):
            cards = self.cards()
            card = next((card for card in cards if card.name == name), None)
            if card is None:
                raise ZooError(f"there is no {name} in {self.folder}")
            atomic_write(self.folder / MANIFEST, write_manifest(other for other in cards if other.name != name))
            (self.folder / card.file).unlink(missing_ok=True)
        return card


def shipped() -> Catalogue:
    """The models inside the package."""
    return Catalogue(Path(str(files("minidnn.zoo") / "models")))


def _as_card(card: Card | Mapping[str, Any]) -> Card:
    if isinstance(card, Card):
        return card
    if not isinstance(card, Mapping):
        raise TypeError(f"zoo.add: card must be a Card or its fields, got {type(card).__name__}")
    try:
        return Card(**card)
    except TypeError as error:
        raise ZooError(f"zoo.add: the card is invalid: {str(error).removeprefix('Card.__init__() ')}") from error
