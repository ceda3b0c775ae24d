"""The blocks that are pretrained together: a hidden dense layer and the layers that follow it up to the next."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from minidnn import nn
from minidnn.activations import ACTIVATIONS as ROWS
from minidnn.nn import Dense, Module, Sequential
from minidnn.pretraining.rbm import Hidden

ACTIVATIONS = (*(getattr(nn, row.layer) for row in ROWS.values()), nn.PReLU, nn.RReLU)
NORMALIZATIONS = (nn.BatchNorm, nn.LayerNorm)
DROPOUTS = (nn.Dropout, nn.AlphaDropout)


@dataclass(frozen=True)
class Block:
    """A hidden layer.

    Attributes:
        name: the name of its dense layer, or its index.
        place: the index of the dense layer in the model.
        dense: the dense layer.
        encoder: the dense layer and the layers that follow it up to the next, without dropout.
    """

    name: str
    place: int
    dense: Dense
    encoder: Sequential


def blocks_of(model: Module) -> list[Block]:
    """The hidden layers of a model, lowest first; the last dense layer is not one.

    Raises:
        TypeError: model is not a Sequential, or has a part that cannot be pretrained through.
        ValueError: it has no hidden layer.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"pretrain_layers: model must be a Sequential, got {type(model).__name__}")
    names = [name for name, _ in model.children()]
    dense = {i: layer for i, layer in enumerate(model.layers) if isinstance(layer, Dense)}
    places = list(dense)
    for i, layer in enumerate(model.layers):
        flat = isinstance(layer, nn.Flatten) and (not places or i < places[0])
        if not (flat or isinstance(layer, (Dense, nn.Softmax, *ACTIVATIONS, *NORMALIZATIONS, *DROPOUTS))):
            raise TypeError(
                f"pretrain_layers: part {names[i]!r} is a {type(layer).__name__}; between dense layers there may be "
                "activations, BatchNorm, LayerNorm and Dropout, and a Flatten at the start"
            )
    if len(places) < 2:
        raise ValueError(f"pretrain_layers: the model has {len(places)} dense layers, so there is no hidden one")
    return [
        Block(
            names[begin],
            begin,
            dense[begin],
            Sequential(*(layer for layer in model.layers[begin:end] if not isinstance(layer, DROPOUTS))),
        )
        for begin, end in pairwise(places)
    ]


def hidden_kind(block: Block) -> Hidden:
    """The kind of hidden units of an RBM whose mean is the activation of a layer.

    Raises:
        ValueError: an RBM has no such units.
    """
    dense, *after = block.encoder.layers
    kinds: dict[object, Hidden] = {"sigmoid": "bernoulli", nn.Sigmoid: "bernoulli", "relu": "relu", nn.ReLU: "relu"}
    own = block.dense.activation
    found = type(own) if isinstance(own, Module) else own
    if own is None and after:
        found = type(after.pop(0))
    if after or found not in kinds:
        what = found if isinstance(found, str) else getattr(found, "__name__", "no activation")
        if after:
            what = f"{what} and then {type(after[0]).__name__}"
        raise ValueError(
            f"pretrain_layers: {dense.label} has {what}; units of an RBM are sigmoid, or relu without anything else "
            "before the next layer. method='autoencoder' takes them all"
        )
    return kinds[found]
