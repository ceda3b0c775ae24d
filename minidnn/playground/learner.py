"""Trains a small network, and computes the data that the page shows."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from minidnn import Generator, Tensor, nn, no_grad, ops, training
from minidnn.nn.temporarily import modes_kept
from minidnn.playground import points
from minidnn.playground.coding import as_base64
from minidnn.playground.settings import OPTIMIZERS, SCHEDULES, Settings

SPAN = 1.2
"""The picture shows [-SPAN, SPAN] on both axes."""

SIDE, SMALL = 48, 14


class Activate(nn.Module):
    """An activation by name, as a layer."""

    def __init__(self, activation: str) -> None:
        self.activation = activation
        self.name = None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = getattr(ops, self.activation)(x)
        return y


class Learner:
    """One run: points, a network, an optimizer, and a captured step. Equal settings give identical results."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.x, self.y, self.test_x, self.test_y = _split(settings)
        rng = Generator(settings.seed, stream=1)
        self.blocks = _blocks(settings, rng)
        self.model = nn.Sequential(*self.blocks)
        schedule = SCHEDULES[settings.schedule](settings.lr, settings.horizon)
        self.optimizer = OPTIMIZERS[settings.optimizer](self.model.parameters(), schedule)
        self.step = 0
        self._order: Any = np.empty(0, np.int64)
        self._shuffle = Generator(settings.seed, stream=2)
        self._captured = training.Captured(self._train, model=self.model)

    def advance(self, updates: int) -> None:
        """Makes the given number of updates."""
        batch = min(self.settings.batch, len(self.x))
        for _ in range(updates):
            if len(self._order) < batch:
                self._order = self._shuffle.permutation(len(self.x))
            chosen, self._order = self._order[:batch], self._order[batch:]
            with suppress(FloatingPointError):  # the run has diverged; its loss shows that
                self._captured(self.x[chosen], self.y[chosen])
            self.step += 1

    def _train(self, x: Any, y: Any) -> Tensor:
        self.optimizer.zero_grad()
        loss = self._loss(self.model(x), y)
        if self.model.is_regularized:
            loss = loss + self.model.regularization_loss()
        loss.backward()
        self.optimizer.step()
        return loss

    def _loss(self, out: Tensor, y: Any) -> Tensor:
        if self.settings.regression:
            return nn.mean_squared_error(out, y)
        return nn.softmax_cross_entropy(out, y)

    def points(self) -> dict[str, Any]:
        """The points, for the first frame."""
        return {
            "train": self.x.round(3).tolist(),
            "labels": self.y.reshape(-1).round(2).tolist(),
            "test": self.test_x.round(3).tolist(),
            "test_labels": self.test_y.reshape(-1).round(2).tolist(),
            "parameters": sum(parameter.size for parameter in self.model.parameters()),
        }

    def frame(self) -> dict[str, Any]:
        """The data that the page draws: losses, the boundary, each hidden unit over the plane, the weights."""
        with modes_kept(self.model), no_grad():
            self.model.eval()
            grid, units = self._pictures()
            train, _ = self._measured(self.x, self.y)
            test, right = self._measured(self.test_x, self.test_y)
        return {
            "step": self.step,
            "lr": float(self.optimizer.lr),
            "train_loss": _finite(train),
            "test_loss": _finite(test),
            "accuracy": right,
            "grid": grid,
            "units": units,
            "weights": [_shown(layer.kernel.numpy()) for layer in self._dense()],
        }

    def _dense(self) -> list[nn.Dense]:
        return [module for _, module in self.model.named_modules() if isinstance(module, nn.Dense)]

    def _measured(self, x: Any, y: Any) -> tuple[float, float | None]:
        out = self.model(x)
        loss = self._loss(out, y).item()
        if self.settings.regression:
            return loss, None
        return loss, float((out.numpy().argmax(axis=1) == y).mean())

    def _pictures(self) -> tuple[str, list[list[str]]]:
        out = self.model(_grid(SIDE))
        value = (out.numpy()[:, 0] + 1) / 2 if self.settings.regression else ops.softmax(out).numpy()[:, 1]
        hidden, units = Tensor(_grid(SMALL)), []
        for block in self.blocks[:-1]:
            hidden = block(hidden)
            columns = hidden.numpy().T
            scale = np.maximum(np.abs(columns).max(axis=1, keepdims=True), 1e-6)
            units.append([_bytes((column + 1) / 2) for column in columns / scale])
        return _bytes(value), units


def _split(settings: Settings) -> tuple[Any, Any, Any, Any]:
    """Training and test points; the user's own points are used as both."""
    if settings.data == "own":
        x, y = points.own(list(settings.points), settings.regression)
        test_x, test_y = x, y
    else:
        make = (points.REGRESSION if settings.regression else points.CLASSIFICATION)[settings.data]
        x, y = make(Generator(settings.seed, stream=3), 2 * points.HALF, settings.noise)
        x, y, test_x, test_y = x[: points.HALF], y[: points.HALF], x[points.HALF :], y[points.HALF :]
    if settings.regression:
        return x, y.reshape(-1, 1), test_x, test_y.reshape(-1, 1)
    return x, y.astype(np.int64), test_x, test_y.astype(np.int64)


def _blocks(settings: Settings, rng: Generator) -> list[nn.Module]:
    """The hidden layers, each with its normalization, activation and dropout, and the output layer."""
    regularizer = nn.l1_l2(settings.l1, settings.l2) if settings.l1 or settings.l2 else None
    constraint = nn.max_norm(settings.max_norm) if settings.max_norm else None
    blocks: list[nn.Module] = []
    n_in = 2
    for i, n_out in enumerate(settings.hidden):
        dense = nn.Dense(
            n_in,
            n_out,
            None if settings.batch_norm else settings.activation,
            settings.initializer,
            name=f"hidden{i + 1}",
            rng=rng,
            kernel_regularizer=regularizer,
            kernel_constraint=constraint,
        )
        parts: list[nn.Module] = [dense]
        if settings.batch_norm:
            parts += [nn.BatchNorm(n_out, momentum=0.9), Activate(settings.activation)]
        if settings.dropout:
            parts.append(nn.Dropout(settings.dropout, rng=Generator(settings.seed, stream=10 + i)))
        block: nn.Module = nn.Sequential(*parts)
        blocks.append(nn.Residual(block) if settings.skip and n_in == n_out else block)
        n_in = n_out
    out = 1 if settings.regression else 2
    blocks.append(
        nn.Dense(n_in, out, None, settings.initializer, name="output", rng=rng, kernel_regularizer=regularizer)
    )
    return blocks


def _grid(side: int) -> Any:
    axis = np.linspace(-SPAN, SPAN, side, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis[::-1]), -1).reshape(-1, 2).copy()


def _bytes(unit: Any) -> str:
    """Numbers in [0, 1] as bytes in base64; NaN becomes 0.5."""
    clean = np.clip(np.nan_to_num(unit, nan=0.5), 0, 1)
    return as_base64(255 * clean)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _shown(weights: Any) -> Any:
    return np.nan_to_num(weights.astype(np.float64), nan=0, posinf=99, neginf=-99).round(2).tolist()
