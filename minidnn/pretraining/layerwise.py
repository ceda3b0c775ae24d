"""Greedy layer-wise pretraining: one layer at a time, lowest first; then fine-tuning of the whole model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from minidnn import nn, optim, training
from minidnn.data import ArrayDataset
from minidnn.nn import Module, Parameter, Sequential
from minidnn.nn.regularizers import Regularizer
from minidnn.optim import Optimizer
from minidnn.pretraining.autoencoder import Autoencoder, Reconstruction
from minidnn.pretraining.blocks import Block, blocks_of, hidden_kind
from minidnn.pretraining.corruption import Corruption
from minidnn.pretraining.divergence import ContrastiveDivergence
from minidnn.pretraining.objective import as_unlabelled, train
from minidnn.pretraining.rbm import RBM
from minidnn.random import Generator
from minidnn.reference.types import Array
from minidnn.training import Callback, Checkpoint, History

Method = Literal["rbm", "autoencoder"]
MakeOptimizer = Callable[[list[Parameter]], Optimizer]


class Pretrained(NamedTuple):
    """The result of `pretrain_and_finetune`: histories of the pretrained layers, by name, and of the fine-tuning."""

    layers: dict[str, History]
    finetuning: History


def pretrain_and_finetune(
    model: Sequential,
    unlabelled: Any,
    labelled: ArrayDataset,
    *,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int,
    method: Method = "autoencoder",
    pretraining: Mapping[str, Any] | None = None,
    **options: Any,
) -> Pretrained:
    """Unsupervised pretraining for few labels: `pretrain_layers` on all examples, then `training.fit` on the labelled.

    Args:
        model, unlabelled, method: as for `pretrain_layers`.
        labelled: the examples that have labels.
        optimizer, epochs, batch_size: of the fine-tuning, as for `training.fit`; the optimizer holds the model's
            parameters.
        pretraining: further arguments of `pretrain_layers`, by name.
        options: further arguments of `training.fit`, such as ``valid=`` and ``callbacks=``.

    Raises:
        TypeError, ValueError: as `pretrain_layers` and `training.fit`.
    """
    layers = pretrain_layers(model, unlabelled, method, **dict(pretraining or {}))
    if any(history.stopped == "interrupted" for history in layers.values()):
        return Pretrained(layers, History())
    history = training.fit(model, labelled, optimizer=optimizer, epochs=epochs, batch_size=batch_size, **options)
    return Pretrained(layers, history)


def pretrain_layers(
    model: Sequential,
    unlabelled: Any,
    method: Method = "autoencoder",
    *,
    epochs: int = 10,
    batch_size: int = 100,
    optimizer: MakeOptimizer | None = None,
    corruption: Corruption | None = None,
    activity_regularizer: Regularizer | None = None,
    k: int = 1,
    persistent: bool = False,
    kernel_regularizer: Regularizer | None = None,
    valid: Any = None,
    callbacks: Callable[[str], Sequence[Callback]] | None = None,
    rng: Generator | None = None,
    progress: bool = True,
    checkpoints: str | os.PathLike[str] | None = None,
) -> dict[str, History]:
    """Trains the hidden layers one after the other, each to model the outputs of the layers below it, which are fixed.

    The lower layers run once over the examples, in evaluation mode; the next layer is trained on their outputs (Hinton,
    Osindero & Teh 2006; Bengio et al. 2007). The last dense layer is not changed. Fine-tune with `training.fit`
    afterwards.

    - ``"autoencoder"``: the dense layer with the normalization and activation layers that follow it is the encoder of
      an `Autoencoder` with tied weights.
    - ``"rbm"``: the layer becomes the hidden half of an `RBM`. Sigmoid layers have Bernoulli hidden units, ReLU layers
      noisy rectified ones (Nair & Hinton 2010); other activations raise a ValueError.

    Inputs within [0, 1] (checked on the data) are probabilities: Bernoulli visible units, or the cross-entropy. Other
    inputs are real numbers: Gaussian visible units on standardized inputs, with the standardization folded into the
    weights afterwards, or the squared error. Dropout is off during pretraining; use ``corruption`` instead.

    Args:
        model: a Sequential of Dense, activations, BatchNorm, LayerNorm, Dropout and a Flatten at the start; changed in
            place. A hidden Dense with a frozen kernel is skipped.
        unlabelled: examples, (n, n_in): an array of uint8 or float32, or a data set, whose labels are ignored.
        epochs, batch_size: for each layer.
        optimizer: returns an optimizer for the parameters of a layer. None: ``Adam(params, 0.001)`` for autoencoders;
            for an RBM ``SGD(params, 0.05, momentum=0.9)``, with a rate of 0.001 unless all its units are Bernoulli.
        corruption, activity_regularizer: for autoencoders; see `Autoencoder`.
        k, persistent, kernel_regularizer: for RBMs; see `ContrastiveDivergence` and `RBM`.
        valid: further examples; each layer's error on them is ``valid_loss`` in its history.
        callbacks: returns the callbacks for a layer's name, such as ``lambda name: [EarlyStopping(2, every=None)]``.
        rng: draws orders, noise and chains; None: the default generator.
        progress: as for `training.fit`.
        checkpoints: a folder, created if missing, for the state of each layer's run after every epoch. The same call on
            the same initial model resumes from there, with the same bytes as an uninterrupted run.

    Returns:
        The histories by layer name (or index), lowest layer first; fewer if Ctrl-C stopped the run.

    Raises:
        TypeError: model is not a Sequential, or has another kind of layer.
        ValueError: there is no hidden layer; an argument belongs to the other method; the examples have another width;
            an RBM has no such activation.
    """
    _check_arguments(method, corruption, activity_regularizer, k, persistent, kernel_regularizer)
    blocks = blocks_of(model)
    if method == "rbm":
        for block in blocks:
            hidden_kind(block)  # before anything is trained
    inputs, seen = as_unlabelled(unlabelled), 0
    held_out = None if valid is None else as_unlabelled(valid)
    if not len(inputs):
        raise ValueError("pretrain_layers: there are no examples")
    histories: dict[str, History] = {}
    for block in blocks:
        between, seen = model.layers[seen : block.place], block.place
        inputs, held_out = _through(between, inputs), held_out and _through(between, held_out)
        if not block.dense.kernel.requires_grad:
            continue
        bounded = _checked(inputs, block)
        folder = None if checkpoints is None else Path(checkpoints) / block.name
        options: dict[str, Any] = {
            "epochs": epochs,
            "batch_size": batch_size,
            "valid": held_out,
            "callbacks": [*(callbacks(block.name) if callbacks else ()), *([Checkpoint(folder)] if folder else [])],
            "rng": rng,
            "progress": progress,
            "resume": folder,
        }
        if method == "rbm":
            history = _by_rbm(block, inputs, bounded, optimizer, k, persistent, kernel_regularizer, options)
        else:
            history = _by_autoencoder(block, inputs, bounded, optimizer, corruption, activity_regularizer, options)
        histories[block.name] = history
        if history.stopped == "interrupted":
            break
    return histories


def _by_autoencoder(
    block: Block,
    inputs: ArrayDataset,
    bounded: bool,
    optimizer: MakeOptimizer | None,
    corruption: Corruption | None,
    activity_regularizer: Regularizer | None,
    options: dict[str, Any],
) -> History:
    autoencoder = Autoencoder(
        block.encoder,
        loss="cross_entropy" if bounded else "squared",
        corruption=corruption,
        activity_regularizer=activity_regularizer,
        rng=options["rng"],
    )
    make = optimizer or (lambda params: optim.Adam(params, 0.001))
    params = [param for param in autoencoder.parameters() if param.requires_grad]
    return train(Reconstruction(autoencoder), inputs, optimizer=make(params), **options)


def _by_rbm(
    block: Block,
    inputs: ArrayDataset,
    bounded: bool,
    optimizer: MakeOptimizer | None,
    k: int,
    persistent: bool,
    kernel_regularizer: Regularizer | None,
    options: dict[str, Any],
) -> History:
    dense, mean, deviation = block.dense, np.zeros(1), np.ones(1)
    if not bounded:
        mean, deviation = _statistics(inputs)
        inputs = _standardized(inputs, mean, deviation)
        options["valid"] = options["valid"] and _standardized(options["valid"], mean, deviation)
    rbm = RBM(
        dense.n_in,
        dense.n_out,
        "bernoulli" if bounded else "gaussian",
        hidden_kind(block),
        kernel_regularizer=kernel_regularizer,
        rng=options["rng"],
    )
    rbm.center(inputs.images)
    lr = 0.05 if (rbm.visible, rbm.hidden) == ("bernoulli", "bernoulli") else 0.001  # other units are unbounded
    make = optimizer or (lambda params: optim.SGD(params, lr, momentum=0.9))
    objective = ContrastiveDivergence(rbm, k, persistent, rng=options["rng"])
    history = train(objective, inputs, optimizer=make(rbm.parameters()), **options)
    # (v - mean) / deviation @ kernel + bias, as weights of v itself.
    kernel = rbm.kernel.data / deviation.reshape(-1, 1)
    dense.kernel.data[...] = kernel
    dense.bias.data[...] = rbm.hidden_bias.data - np.broadcast_to(mean, dense.n_in) @ kernel
    for param in (dense.kernel, dense.bias):
        param.version += 1
    return history


def _checked(inputs: ArrayDataset, block: Block) -> bool:
    """Whether the inputs of a layer lie within [0, 1].

    Raises:
        ValueError: they do not fit the layer.
    """
    if inputs.x.shape[1] != block.dense.n_in:
        raise ValueError(
            f"pretrain_layers: {block.dense.label} takes {block.dense.n_in} inputs, the examples have "
            f"{inputs.x.shape[1]}"
        )
    return inputs.x.dtype == np.uint8 or bool(inputs.x.min() >= 0 and inputs.x.max() <= 1)


def _through(layers: Sequence[Module], inputs: ArrayDataset) -> ArrayDataset:
    """The outputs of the layers for the inputs, in evaluation mode."""
    layers = [layer for layer in layers if not isinstance(layer, nn.Flatten)]  # the examples are flat
    if not layers:
        return inputs
    starts = range(0, len(inputs), 5000)  # converts bytes to floats in parts to save memory
    parts = [training.predict(Sequential(*layers), inputs[start : start + 5000].images) for start in starts]
    return as_unlabelled(np.concatenate(parts))


def _statistics(inputs: ArrayDataset) -> tuple[Array, Array]:
    """Mean and standard deviation of each input; 1 for one that never changes."""
    mean, deviation = inputs.x.mean(axis=0, dtype=np.float64), inputs.x.std(axis=0, dtype=np.float64)
    return mean, np.where(deviation > 1e-6, deviation, 1.0)


def _standardized(inputs: ArrayDataset, mean: Array, deviation: Array) -> ArrayDataset:
    return as_unlabelled(((inputs.x - mean) / deviation).astype(np.float32))


def _check_arguments(
    method: str,
    corruption: Corruption | None,
    activity_regularizer: Regularizer | None,
    k: int,
    persistent: bool,
    kernel_regularizer: Regularizer | None,
) -> None:
    of_autoencoders = {"corruption": corruption is not None, "activity_regularizer": activity_regularizer is not None}
    of_rbms = {"k": k != 1, "persistent": persistent, "kernel_regularizer": kernel_regularizer is not None}
    if method not in ("rbm", "autoencoder"):
        raise ValueError(f"pretrain_layers: method must be 'rbm' or 'autoencoder', got {method!r}")
    foreign = [name for name, given in (of_autoencoders if method == "rbm" else of_rbms).items() if given]
    if foreign:
        raise ValueError(f"pretrain_layers: {foreign[0]} has no meaning for method={method!r}")
