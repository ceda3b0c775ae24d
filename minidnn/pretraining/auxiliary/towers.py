"""A network with two towers that share their weights, and the heads for it."""

from __future__ import annotations

from minidnn import ops
from minidnn.checks import number
from minidnn.nn import Dense, Module
from minidnn.tensor import Tensor


class TwoTower(Module):
    """y = head(the tower's outputs for both members of a pair).

    The same tower is applied to both: each of its weights gets the sum of both towers' gradients (Bromley et al. 1993).

    Args:
        tower: maps (batch, ...) to (batch, n).
        head: takes (batch, 2, n): `Difference`, `Distance`, or `nn.Flatten` for a tower that returns a score (n = 1).

    Raises:
        ValueError: on call, x is not (batch, 2, ...).
    """

    def __init__(self, tower: Module, head: Module, name: str | None = None) -> None:
        self.name = name
        self.tower = tower
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 3 or x.shape[1] != 2:
            raise ValueError(f"{self.label}: x has shape {x.shape}, must be (batch, 2, ...)")
        batch, _, *shape = x.shape
        y = self.tower.forward(ops.reshape(x, (2 * batch, *shape)))  # both towers in one pass
        return self.head.forward(ops.reshape(y, (batch, 2, *y.shape[1:])))


class Difference(Module):
    """Logits for different (0) and same (1): a dense layer on ``|a - b|``, the cross-entropy form (Koch et al. 2015).

    Train with `nn.softmax_cross_entropy`.

    Args:
        n_in: the length of a and b; x is (batch, 2, n_in), y is (batch, 2).
    """

    def __init__(self, n_in: int, name: str | None = None) -> None:
        self.name = name
        self.outputs = Dense(n_in, 2, name=name)
        self.n_in = self.outputs.n_in

    def forward(self, x: Tensor) -> Tensor:
        _check_pairs(self.label, x)
        return self.outputs.forward(ops.abs(x[:, 0] - x[:, 1]))


class Distance(Module):
    """``(d, margin - d)`` with ``d = |a - b|``: scores for different (0) and same (1).

    Train with `auxiliary.contrastive`. A pair counts as same where d is less than half the margin.

    Args:
        margin: > 0, the minimum distance of different ones; x is (batch, 2, n), y is (batch, 2).
    """

    def __init__(self, margin: float = 1.0, name: str | None = None) -> None:
        self.name = name
        self.margin = number(self.label, "margin", margin)
        if not margin > 0:
            raise ValueError(f"{self.label}: margin must be positive, got {margin}")

    def forward(self, x: Tensor) -> Tensor:
        _check_pairs(self.label, x)
        difference = x[:, 0] - x[:, 1]
        # The root has no gradient at 0.
        d = ops.sqrt(ops.sum(difference * difference, axis=1) + 1e-12)
        return ops.stack([d, self.margin - d], axis=1)


def _check_pairs(label: str, x: Tensor) -> None:
    if x.ndim != 3 or x.shape[1] != 2:
        raise ValueError(f"{label}: x has shape {x.shape}, must be (batch, 2, n)")
