"""Training of restricted Boltzmann machines: contrastive divergence."""

from __future__ import annotations

import numpy as np

from minidnn import kernels
from minidnn.checks import positive_integer
from minidnn.leaves import held
from minidnn.nn.module import Module
from minidnn.ops.activations import whole
from minidnn.pretraining.rbm import RBM
from minidnn.random import Generator
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_result, record


class ContrastiveDivergence(Module):
    """The training objective of an `RBM`: the gradient of the log-likelihood, with E_model estimated by a short chain.

    ::

        d log p(v) / d kernel       = v.T @ E[h | v]  - E_model[v.T @ h]
        d log p(v) / d visible_bias = v               - E_model[v]
        d log p(v) / d hidden_bias  = E[h | v]        - E_model[h]

    CD-k (Hinton 2002) estimates the expectations of the model by v and ``E[h | v]`` after k steps of Gibbs sampling
    that start at the example. Persistent CD (Tieleman 2008) continues its chains from one update to the next, so that
    they follow the model; with small learning rates its gradient is closer to the true one.

    CD is not the gradient of any function (Sutskever & Tieleman 2010). The result is therefore the squared error of
    each example's reconstruction, (batch, 1), while `Tensor.backward` computes the negative of the gradient above, for
    an optimizer that minimizes.

    In evaluation mode the result is only the error, without sampling.

    Args:
        rbm: the RBM to train.
        k: the number of steps of Gibbs sampling.
        persistent: whether to use persistent chains.
        chains: the number of persistent chains.
        sample_visible: draw the visible units of the chain. False uses their means, which is less noisy and common for
            CD (Hinton 2010, section 3.2), but wrong for persistent chains.
        rng: draws the chains; None: the default generator.

    Attributes:
        particles: the hidden units of the persistent chains, (chains, n_hidden); a buffer.

    Raises:
        TypeError: k or chains is not an integer, or rbm is not an RBM.
        ValueError: k or chains is below 1; persistent is set and sample_visible is not.
    """

    def __init__(
        self,
        rbm: RBM,
        k: int = 1,
        persistent: bool = False,
        chains: int = 100,
        sample_visible: bool = True,
        rng: Generator | None = None,
    ) -> None:
        if not isinstance(rbm, RBM):
            raise TypeError(f"{self.label}: rbm must be an RBM, got {type(rbm).__name__}")
        if persistent and not sample_visible:
            raise ValueError(f"{self.label}: persistent chains must sample the visible units; pass sample_visible=True")
        self.rbm = rbm
        self.k = positive_integer(self.label, "k", k)
        self.persistent = persistent
        self.chains = positive_integer(self.label, "chains", chains)
        self.sample_visible = sample_visible
        self.rng = rng
        if persistent:
            self.particles = Tensor(np.zeros((self.chains, rbm.n_hidden), np.float32))

    def forward(self, x: Tensor) -> Tensor:
        rbm, v = self.rbm, whole(x._data)
        rbm.check(v)
        h = rbm.hidden_mean(v)
        if not self.training:
            return as_result(_errors(v, rbm.visible_mean(h)))
        if self.persistent:
            error = _errors(v, rbm.visible_mean(h))
            chain_v, chain_h = self._walk(held(self.particles))[1:]
            # Momentum 0 copies the values, by a kernel that a captured step can replay.
            kernels.moving_average(held(self.particles), rbm.draw_hidden(chain_h, chain_v, self.rng), momentum=0.0)
            self.particles.version += 1
        else:
            reconstruction, chain_v, chain_h = self._walk(rbm.draw_hidden(h, v, self.rng))
            error = _errors(v, reconstruction)
        return _diverging(error, self, v, h, chain_v, chain_h)

    def _walk(self, h: Array) -> tuple[Array, Array, Array]:
        """k steps starting at h: the mean of the first v, the last v, and the mean of h given the last v."""
        first, v, mean = self._step(h)
        for _ in range(self.k - 1):
            _, v, mean = self._step(self.rbm.draw_hidden(mean, v, self.rng))
        return first, v, mean

    def _step(self, h: Array) -> tuple[Array, Array, Array]:
        """The mean of v given h, a drawn v, and the mean of h given that v."""
        mean = self.rbm.visible_mean(h)
        v = self.rbm.draw_visible(mean, self.rng) if self.sample_visible else mean
        return mean, v, self.rbm.hidden_mean(v)


def _errors(v: Array, reconstruction: Array) -> Array:
    """The squared error of each row, (batch, 1)."""
    difference = kernels.subtract(v, reconstruction)
    return kernels.row_sum(kernels.multiply(difference, difference)).reshape(-1, 1)


def _diverging(
    error: Array, objective: ContrastiveDivergence, v: Array, h: Array, chain_v: Array, chain_h: Array
) -> Tensor:
    """The errors on the tape, with the gradient of contrastive divergence as backward rule."""
    rbm, chains = objective.rbm, objective.chains if objective.persistent else 0

    def backward(dy: Array) -> tuple[Array | None, ...]:
        weights = whole(dy).reshape(-1)  # per example; the weights of the chains have the same sum
        shares = weights
        if chains:
            total = kernels.reduce_sum(weights, None, True)
            shares = kernels.copy(np.broadcast_to(kernels.divide(total, float(chains)), (chains,)))
        own_h, model_h = kernels.scale_rows(h, weights), kernels.scale_rows(chain_h, shares)
        return (
            kernels.subtract(kernels.matmul(chain_v.T, model_h), kernels.matmul(v.T, own_h)),
            kernels.subtract(
                kernels.column_sum(kernels.scale_rows(chain_v, shares)),
                kernels.column_sum(kernels.scale_rows(v, weights)),
            ),
            kernels.subtract(kernels.column_sum(model_h), kernels.column_sum(own_h)),
        )

    return record(error, (rbm.kernel, rbm.visible_bias, rbm.hidden_bias), backward, op="contrastive_divergence")
