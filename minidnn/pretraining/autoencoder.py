"""Autoencoders: plain, denoising, with tied weights, sparse, stacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from minidnn import kernels, ops
from minidnn.activations import ALPHA
from minidnn.nn.activations import Sigmoid
from minidnn.nn.initializers import initialize
from minidnn.nn.layers import Dense
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.nn.regularizers import Regularizer, penalties_of
from minidnn.nn.sequential import Sequential
from minidnn.ops.losses import binary_terms
from minidnn.pretraining.corruption import Corruption
from minidnn.random import Generator, default_generator
from minidnn.tensor import Tensor, as_result

Loss = Literal["squared", "cross_entropy"]


class Transposed(Module):
    """y = activation(x @ kernel.T + bias), with the kernel of another layer; both layers train it.

    Args:
        dense: the layer; x is (batch, dense.n_out), y is (batch, dense.n_in).
        activation: None or a name of `minidnn.activations`, as for `nn.Dense`.

    Attributes:
        bias: (dense.n_in,), initially 0.

    Raises:
        ValueError: an unknown activation; on call, x is not (batch, dense.n_out).
    """

    def __init__(self, dense: Dense, activation: str | None = None, name: str | None = None) -> None:
        self.name = name
        self.dense = dense
        self.activation = activation
        if activation is not None and activation not in ALPHA:
            raise ValueError(f"{self.label}: activation must be one of {', '.join(ALPHA)}, got {activation!r}")
        self.bias = Parameter(initialize(self.label, "bias", "zeros", (dense.n_in,), default_generator()))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.dense.n_out:
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be (batch, {self.dense.n_out})")
        name = self.activation or "identity"
        return ops.dense_transposed(x, self.dense.kernel, self.bias, name, ALPHA.get(name, 0.0))


class Autoencoder(Module):
    """``reconstruction = decoder(encoder(x))``, trained by `Reconstruction` to equal x.

    The output of the encoder is a code. It must be narrow, sparse or robust against noise; otherwise the network can
    learn to copy x.

    Args:
        encoder: (batch, n_in) to (batch, n_code); a `nn.Dense`, or a Sequential.
        decoder: (batch, n_code) to (batch, n_in). None ties the weights: the decoder has the dense layers of the
            encoder in reverse order, with their kernels transposed, its own biases, and between them the named
            activations of the encoder's Dense layers.
        loss: "squared": the sum of the squared errors of an example. "cross_entropy": the sum of
            ``-x * log(y) - (1 - x) * log(1 - y)`` for x in [0, 1] with ``y = sigmoid(decoder(code))``: the decoder
            returns logits.
        corruption: noise that is added to x in training and that the autoencoder learns to remove (Vincent et al.
            2008), such as ``masking(0.3)`` or ``gaussian_noise(0.3)``.
        activity_regularizer: a penalty on the code, such as ``kl_sparsity(0.05)`` or ``nn.l1(1e-4)``.
        rng: draws the noise; None: the default generator.

    Raises:
        TypeError: encoder or decoder is not a Module.
        ValueError: an unknown loss; tied weights for an encoder without dense layers.
    """

    def __init__(
        self,
        encoder: Module,
        decoder: Module | None = None,
        loss: Loss = "squared",
        corruption: Corruption | None = None,
        activity_regularizer: Regularizer | None = None,
        name: str | None = None,
        rng: Generator | None = None,
    ) -> None:
        self.name = name
        for argument, part in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(part, Module) and not (part is None and argument == "decoder"):
                raise TypeError(f"{self.label}: {argument} must be a Module, got {type(part).__name__}")
        if loss not in get_args(Loss):
            raise ValueError(f"{self.label}: loss must be one of {', '.join(get_args(Loss))}, got {loss!r}")
        self.encoder = encoder
        self.decoder = decoder
        self.mirror = mirrored(encoder, self.label) if decoder is None else None
        self.loss = loss
        self.corruption = corruption
        self.activity_regularizer = activity_regularizer
        self.rng = rng

    def encode(self, x: Tensor) -> Tensor:
        """The code of x."""
        return self.encoder(x)

    def decode(self, code: Tensor) -> Tensor:
        """The reconstruction from a code."""
        y = self.logits(code)
        return ops.sigmoid(y) if self.loss == "cross_entropy" else y

    def logits(self, code: Tensor) -> Tensor:
        """The output of the decoder, before the sigmoid of the cross-entropy."""
        return self.any_decoder(code)

    @property
    def any_decoder(self) -> Module:
        """The given decoder, or the tied one."""
        decoder = self.mirror if self.decoder is None else self.decoder
        assert decoder is not None
        return decoder

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def mirrored(encoder: Module, owner: str) -> Sequential:
    """The decoder with tied weights."""
    layers = [part for _, part in encoder.named_modules() if isinstance(part, Dense)]
    if not layers:
        raise ValueError(f"{owner}: the encoder has no dense layer to tie a decoder to; give one")
    below = [None, *(layer.activation if isinstance(layer.activation, str) else None for layer in layers[:-1])]
    return Sequential(*(Transposed(layer, activation) for layer, activation in zip(layers, below, strict=True)))[::-1]


def stack(autoencoders: Sequence[Autoencoder]) -> Autoencoder:
    """A deep autoencoder from several, each trained on the codes of the previous one (Hinton & Salakhutdinov 2006).

    It has the same layers, not copies, and the loss of the first. Train it as a whole to fine-tune them.

    Raises:
        ValueError: none are given.
    """
    parts = list(autoencoders)
    if not parts:
        raise ValueError("stack: autoencoders is empty, must hold at least one")
    decoders: list[Module] = []
    for part in reversed(parts):
        decoders.append(part.any_decoder)
        if part.loss == "cross_entropy" and part is not parts[0]:
            decoders.append(Sigmoid())
    return Autoencoder(Sequential(*(part.encoder for part in parts)), Sequential(*decoders), parts[0].loss)


class Reconstruction(Module):
    """The training objective of an `Autoencoder`: the reconstruction error of each example, (batch, 1).

    In training the encoder gets the corrupted example; the error is that to the clean one.

    Raises:
        ValueError: on call, the shape of the reconstruction is not that of x; x is outside [0, 1] and the loss is the
            cross-entropy.
    """

    def __init__(self, autoencoder: Autoencoder) -> None:
        self.autoencoder = autoencoder

    def forward(self, x: Tensor) -> Tensor:
        model = self.autoencoder
        clean = x._data
        noisy = x
        if model.corruption is not None and self.training:
            noisy = as_result(model.corruption(clean, model.rng or default_generator()))
        code = model.encode(noisy)
        if model.activity_regularizer is not None and self.training:
            where = f"{model.label}: activity_regularizer"
            model.activity_penalties.extend(penalties_of(where, model.activity_regularizer, code))
        y = model.logits(code)
        if y.shape != x.shape:
            raise ValueError(f"{model.label}: the decoder returns shape {y.shape}, must return that of x, {x.shape}")
        if model.loss == "cross_entropy":
            kernels.check_between(clean, 0, 1, "Reconstruction: the cross-entropy needs an x in [0, 1]")
            return ops.sum(binary_terms(y, as_result(clean)), axis=1, keepdims=True)
        error = y - as_result(clean)
        return ops.sum(error * error, axis=1, keepdims=True)
