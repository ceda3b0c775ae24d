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
    """The folder of the user's own catalogue: ``$MINIDNN_ZOO``, else ``minidnn/zoo`` in the user's data folder.

    The data folder is ``$XDG_DATA_HOME``, else ``~/.local/share`` (``~/Library/Application Support`` on macOS,
    ``%LOCALAPPDATA%`` on Windows).
    """
    if own := os.environ.get("MINIDNN_ZOO"):
        return Path(own).expanduser()
    import platformdirs

    return platformdirs.user_data_path("minidnn", appauthor=False) / "zoo"


class Catalogue:
    """A folder of models: ``zoo.json`` holds their cards, each model is a ``.safetensors`` file beside it.

    If a program is stopped while it changes the catalogue, the change is either complete or has no effect. Programs
    that add at the same time wait for each other. Behind a web server, the folder is a registry.

    Args:
        folder: created by the first `add`.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Catalogue({str(self.folder)!r})"

    def cards(self) -> list[Card]:
        """Every card, in the order of addition; none if the folder does not exist.

        Raises:
            ZooError: the manifest is damaged.
            OSError: the manifest cannot be read.
        """
        path = self.folder / MANIFEST
        try:
            with open(path, "rb") as file:
                content = file.read(LARGEST + 1)
        except FileNotFoundError:
            return []
        return read_manifest(content, path)

    def find(self, name: str) -> Card | None:
        """The card of that name; None if there is none.

        Raises:
            ZooError: the name is invalid; the manifest is damaged.
        """
        check_name(name)
        return next((card for card in self.cards() if card.name == name), None)

    def path(self, card: Card) -> Path:
        """The path of a card's file, whose checksum is verified.

        Raises:
            ZooError: the file is missing or was changed.
        """
        path = self.folder / card.file
        try:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise ZooError(f"{card.name}: its file {path} is missing") from error
        if found != card.sha256:
            raise ZooError(f"{card.name}: {path} was changed: its SHA-256 is {found}, must be {card.sha256}")
        return path

    def load(self, card: Card) -> Module:
        """The model of a card, in evaluation mode.

        Raises:
            ZooError: the file is missing, was changed, or holds no model.
        """
        path = self.path(card)
        try:
            return load(path)
        except (CheckpointError, FileNotFoundError) as error:  # another program may have just removed it
            raise ZooError(f"{card.name}: {error}") from error

    def add(
        self, model: Module, card: Card | Mapping[str, Any], replace: bool = False, meaning: Meaning | None = None
    ) -> Card:
        """Saves a model with its card; architecture, checksum, size and, unless given, the date are filled in.

        Args:
            card: a `Card`, or its fields.
            replace: whether to replace a model of that name.
            meaning: what inputs and outputs stand for, which is saved in the file; see `minidnn.save`.

        Returns:
            The card in the catalogue.

        Raises:
            ZooError: the name is taken, a field is invalid, or the catalogue is damaged; nothing is changed.
            ValueError: a layer cannot be saved.
            OSError: the folder cannot be written; the catalogue is unchanged.
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
        """Adds the content of a model file, with its card.

        Raises:
            ZooError: the card does not match the content; the name is taken; the catalogue is damaged.
            OSError: the folder cannot be written; the catalogue is unchanged.
        """
        if hashlib.sha256(content).hexdigest() != card.sha256 or len(content) != card.size:
            raise ZooError(f"{card.name}: the card's checksum or size does not match the file")
        card = dataclasses.replace(card, date=card.date or date.today().isoformat())
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / ".lock"):
            cards = self.cards()
            before = next((other for other in cards if other.name == card.name), None)
            if before and not replace:
                raise ZooError(f"{card.name} is in {self.folder} already; replace=True replaces it")
            # The file first, so that the manifest never names a file that does not exist.
            atomic_write(self.folder / card.file, content)
            others = [other for other in cards if other.name != card.name]
            atomic_write(self.folder / MANIFEST, write_manifest([*others, card]))
            if before and before.file != card.file:
                (self.folder / before.file).unlink(missing_ok=True)
        return card

    def remove(self, name: str) -> Card:
        """Deletes a model and its card; returns the card.

        Raises:
            ZooError: the catalogue has no model of this name.
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
