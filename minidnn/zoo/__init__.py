"""The model zoo: models with their cards, the user's own, those inside the package, and those of registries.

``zoo.load("mnist-relu")`` gives a trained network; ``zoo.add(model, card)`` keeps one. The user's own catalogue is
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
    """The cards of all models at hand, or of those of a registry.

    Raises:
        ZooError: a manifest is damaged.
        OSError: it cannot be read or reached.
    """
    if registry is not None:
        return remote_cards(registry)
    found = {card.name: card for catalogue in (shipped(), own()) for card in catalogue.cards()}
    return sorted(found.values(), key=lambda card: card.name)


def search(words: str, registry: str | None = None) -> Sequence[Card]:
    """The cards in which each of these words begins a word, in any field: ``zoo.search("digits elu")``.

    Raises:
        ZooError: a manifest is damaged.
        OSError: it cannot be read or reached.
    """
    return [card for card in list(registry) if card.matches(words)]


def card(name: str) -> Card:
    """The card of a model.

    Raises:
        ZooError: there is none of that name; the message lists those that are.
    """
    return _find(name)[1]


def load(name: str) -> Module:
    """The model, in evaluation mode, after its checksum was found to be right.

    Raises:
        ZooError: there is none of that name; its file is missing, changed, or holds no model.
    """
    return _current(name, Catalogue.load)


def path(name: str) -> Path:
    """Where the model's file is, after its checksum was found to be right.

    Raises:
        ZooError: there is none of that name; its file is missing or changed.
    """
    return _current(name, Catalogue.path)


def add(model: Module, card: Card | Mapping[str, Any], replace: bool = False, meaning: Meaning | None = None) -> Card:
    """Keeps a model in the user's own catalogue; see `Catalogue.add`.

    Raises:
        ZooError: the name is taken, here or in the package; a field of the card is invalid.
        OSError: the folder cannot be written; the catalogue is as it was.
    """
    name = card.name if isinstance(card, Card) else card.get("name") if isinstance(card, Mapping) else None
    if not replace and name is not None and shipped().find(name):
        raise ZooError(f"{name} is a model of the package; replace=True puts your own before it")
    return own().add(model, card, replace, meaning)


def get(name: str, registry: str, replace: bool = False) -> Card:
    """Downloads a model of a registry into the user's own catalogue, checked against its card; needs the extra ``zoo``.

    Raises:
        ZooError: the registry has no such model; the name is taken.
        OSError: it could not be had whole; the catalogue is as it was.
        ImportError: pooch is missing; names the extra.
    """
    return fetch(name, registry, own(), replace)


def remove(name: str) -> Card:
    """Deletes a model of the user's own catalogue, with its card, which is returned.

    Raises:
        ZooError: there is none of that name there.
    """
    return own().remove(name)


T = TypeVar("T")


def _current(name: str, take: Callable[[Catalogue, Card], T]) -> T:
    """What is taken by the card of that name; once more if another program has replaced the model meanwhile."""
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
