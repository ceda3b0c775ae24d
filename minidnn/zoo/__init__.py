"""The model zoo: models with cards, in the user's own catalogue, inside the package, and in registries.

``zoo.load("mnist-relu")`` returns a trained network; ``zoo.add(model, card)`` adds one. The user's own catalogue is
searched first, then the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from minidnn.data import Meaning
from minidnn.nn import Module
from minidnn.zoo.cards import Card, ZooError, check_name
from minidnn.zoo.catalogue import Catalogue, shipped, user_folder
from minidnn.zoo.registries import fetch, remote_cards

__all__ = ["Card", "Catalogue", "ZooError", "add", "card", "get", "list", "load", "path", "remove", "search"]


def own() -> Catalogue:
    """The user's own catalogue, in ``$MINIDNN_ZOO`` or the user's data folder."""
    return Catalogue(user_folder())


def list(registry: str | None = None) -> Sequence[Card]:
    """The cards of all local models, or of those of a registry.

    Raises:
        ZooError: a manifest is damaged.
        OSError: a manifest cannot be read, or the registry cannot be reached.
    """
    if registry is not None:
        return remote_cards(registry)
    found = {card.name: card for catalogue in (shipped(), own()) for card in catalogue.cards()}
    return sorted(found.values(), key=lambda card: card.name)


def search(words: str, registry: str | None = None) -> Sequence[Card]:
    """The cards that match all words, such as ``zoo.search("digits elu")``.

    Each word must be the beginning of a word in one of the card's fields.

    Raises:
        ZooError: a manifest is damaged.
        OSError: a manifest cannot be read, or the registry cannot be reached.
    """
    return [card for card in list(registry) if card.matches(words)]


def card(name: str) -> Card:
    """The card of a model.

    Raises:
        ZooError: no model has this name; the message lists all names.
    """
    return _find(name)[1]


def load(name: str) -> Module:
    """Loads a model, in evaluation mode, and verifies its checksum.

    Raises:
        ZooError: no model has this name; its file is missing, was changed, or holds no model.
    """
    return _current(name, Catalogue.load)


def path(name: str) -> Path:
    """The path of a model's file, whose checksum is verified.

    Raises:
        ZooError: no model has this name; its file is missing or was changed.
    """
    return _current(name, Catalogue.path)


def add(model: Module, card: Card | Mapping[str, Any], replace: bool = False, meaning: Meaning | None = None) -> Card:
    """Adds a model to the user's own catalogue; see `Catalogue.add`.

    Raises:
        ZooError: the name is taken, here or in the package; a field of the card is invalid.
        OSError: the folder cannot be written; the catalogue is unchanged.
    """
    name = card.name if isinstance(card, Card) else card.get("name") if isinstance(card, Mapping) else None
    if not replace and name is not None and shipped().find(name):
        raise ZooError(f"{name} is a model of the package; replace=True adds yours, which is then used instead")
    return own().add(model, card, replace, meaning)


def get(name: str, registry: str, replace: bool = False) -> Card:
    """Downloads a model of a registry into the user's own catalogue; needs the extra ``zoo``.

    The file is verified against its card.

    Raises:
        ZooError: the registry has no such model; the name is taken.
        OSError: the download failed; the catalogue is unchanged.
        ImportError: pooch is missing; the message names the extra.
    """
    return fetch(name, registry, own(), replace)


def remove(name: str) -> Card:
    """Deletes a model and its card from the user's own catalogue; returns the card.

    Raises:
        ZooError: the catalogue has no model of this name.
    """
    return own().remove(name)


T = TypeVar("T")


def _current(name: str, take: Callable[[Catalogue, Card], T]) -> T:
    """Calls `take` with the card of that name; again if another program has replaced the model meanwhile."""
    while True:
        catalogue, found = _find(name)
        try:
            return take(catalogue, found)
        except ZooError:
            if catalogue.find(name) == found:
                raise


def _find(name: str) -> tuple[Catalogue, Card]:
    check_name(name)
    for catalogue in (own(), shipped()):
        if found := catalogue.find(name):
            return catalogue, found
    raise ZooError(f"there is no model {name}; there are {', '.join(card.name for card in list()) or 'none'}")
