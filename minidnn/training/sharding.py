"""A step in shards: the gradient is a fixed binary tree over the shards of a batch, whoever computes which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minidnn.parallel import Tree
from minidnn.random import Generator, default_generator
from minidnn.reference.types import Array
from minidnn.tensor import Tensor
from minidnn.training.capture import Step
from minidnn.training.identity import generators
from minidnn.training.run import Run

DRAWS = 2**48
"""Draws of a random generator from one shard to the next."""

ALIGNED = 16
"""Elements; each tensor begins at a multiple of it."""


class Gradients:
    """What a shard leaves behind, side by side in one array, so that it is added up and exchanged at once.

    That is ``weight * value`` of the gradients, of the buffers and of the loss, where the weight is the shard's share
    of the batch; and counts: how many shards have a gradient, have moved a buffer, how often they drew.

    Every shard begins with the buffers (such as running statistics) that the step began with, and with draws of its
    own. After the step a buffer is the mean of what the shards left, which for running statistics is one move by the
    mean of their batches' statistics; one that no shard moved keeps its bytes. A generator goes on behind the draws of
    all shards.

    Args:
        run: its model and optimizer.
        ranks: the array's length is a multiple of it.
    """

    def __init__(self, run: Run, ranks: int) -> None:
        params = [track.param for track in run.optimizer.tracks() if track.param.requires_grad]
        self.params, self.buffers = params, dict(run.model.named_buffers())
        self._tensors: list[Tensor] = [*params, *self.buffers.values()]
        drawn = [default_generator(), run.rng, *generators(run.model).values()]
        self.generators: list[Generator] = list({id(generator): generator for generator in drawn}.values())
        self.dtype = np.result_type(np.float32, *[p.dtype for p in self._tensors if p.dtype.kind == "f"])
        self._slices, end = [], 0
        for tensor in self._tensors:
            self._slices.append(slice(end, end + tensor.size))
            end += -(-tensor.size // ALIGNED) * ALIGNED
        self._moved = slice(end, end + len(self._tensors))
        self._draws = slice(self._moved.stop, self._moved.stop + len(self.generators))
        self._loss = self._draws.stop
        step = ALIGNED * ranks
        self.tree = Tree(-(-(self._loss + 1) // step) * step, self.dtype)
        self._before: list[Array] = []
        self._drawn: list[int] = []

    def fits(self, run: Run) -> bool:
        """Whether it still holds all that is trained."""
        now = [track.param for track in run.optimizer.tracks() if track.param.requires_grad]
        return len(now) == len(self.params) and all(map(_is, now, self.params))

    def begin(self) -> None:
        """Remembers where the step begins."""
        self._before = [tensor._data.copy() for tensor in self.buffers.values()]
        self._drawn = [generator.draw for generator in self.generators]

    def shard(self, place: int, weight: float, compute: Callable[[], float] | None) -> None:
        """Computes the gradients of a shard, and takes them into the tree.

        Args:
            place: of the shard within the batch.
            weight: its share of the batch.
            compute: computes gradients, and returns the loss; None for a shard without examples.
        """
        leaf = self.tree.leaf()
        leaf[...] = 0
        if compute is not None:
            self.restore(place)
            leaf[self._loss] = compute() * weight
            self._take(leaf, weight)
            drawn = zip(self.generators, self._drawn, strict=True)
            leaf[self._draws] = [generator.draw - (before + place * DRAWS) for generator, before in drawn]
        self.tree.add(leaf)

    def total(self, failed: bool) -> Array:
        """The sum over this process's shards; not finite where one has failed."""
        if not failed:
            return self.tree.total()
        self.tree.clear()
        total = self.tree.leaf()
        total[...] = np.nan
        return total

    def is_finite(self, total: Array) -> bool:
        """Whether the loss is, over all shards."""
        return bool(np.isfinite(total[self._loss]))

    def finish(self, total: Array) -> float:
        """Leaves what the sum over all shards says in gradients, buffers and generators; returns the loss."""
        self.restore(0)
        moved, count = total[self._moved], len(self.params)
        for param, part, has in zip(self.params, self._slices[:count], moved[:count], strict=True):
            param._grad = total[part].reshape(param.shape).astype(param.dtype, copy=False) if has else None
            param._lent = True  # the next step writes there again
        for buffer, part, has in zip(self.buffers.values(), self._slices[count:], moved[count:], strict=True):
            if has:
                buffer._data[...] = total[part].reshape(buffer.shape)
                buffer.version += 1
        for generator, before, draws in zip(self.generators, self._drawn, total[self._draws], strict=True):
            generator.draw = before + int(draws)
        return float(total[self._loss])

    def restore(self, place: int) -> None:
        """Puts buffers back to where the step began, and generators to where the shard of this place begins."""
        for buffer, before in zip(self.buffers.values(), self._before, strict=True):
            buffer._data[...] = before
        for generator, draw in zip(self.generators, self._drawn, strict=True):
            generator.draw = draw + place * DRAWS

    def _take(self, leaf: Array, weight: float) -> None:
        moved = leaf[self._moved]
        factor = self.dtype.type(weight)
        for place, (param, part) in enumerate(zip(self.params, self._slices, strict=False)):
            if (gradient := param._grad) is not None:
                np.multiply(gradient.reshape(-1), factor, out=leaf[part])
                moved[place] = 1
        count = len(self.params)
        for place, ((path, buffer), before) in enumerate(zip(self.buffers.items(), self._before, strict=True), count):
            if np.array_equal(buffer._data, before, equal_nan=buffer.dtype.kind == "f"):
                part = self._slices[place]
                np.multiply(before.reshape(-1), factor, out=leaf[part], casting="unsafe")
                continue
            if buffer.dtype.kind != "f":
                raise TypeError(
                    f"fit: the step changes {path}, of {buffer.dtype}, which shards cannot share; keep it in a float "
                    "tensor, or train without shards"
                )
            np.multiply(buffer._data.reshape(-1), factor, out=leaf[self._slices[place]])
            moved[place] = 1


class ShardedStep:
    """One update of a batch in shards, of which this process computes its own.

    Args:
        run: with its shards and world.
        gradients, update: the halves of the step, captured or not.
        mine: the places of the shards that are this process's.
    """

    def __init__(self, run: Run, gradients: Step, update: Step, mine: range) -> None:
        self.run, self.gradients, self.update, self.mine = run, gradients, update, mine
        self._memory: Gradients | None = None

    def __call__(self, shards: Sequence[tuple[Array, ...] | None], weights: Sequence[float]) -> list[list[Tensor]]:
        """Makes the update; returns the outputs of each shard.

        Args:
            shards: the arrays of each of this process's shards, of one batch or several.
            weights: the share of each.

        Raises:
            ShardError: the loss of a shard is not finite; nothing is changed, on any rank.
        """
        if self._memory is None or not self._memory.fits(self.run):
            self._memory = Gradients(self.run, self.run.world.size)
        memory = self._memory
        outputs: list[list[Tensor]] = [[] for _ in shards]
        fault: ShardError | None = None
        memory.begin()
        for place, arrays, weight, made in zip(self.mine, shards, weights, outputs, strict=True):
            try:
                memory.shard(place, weight, None if arrays is None else partial(self._compute, arrays, made))
            except FloatingPointError as error:
                fault = ShardError(str(error).split()[-1], arrays)
                break
        total = memory.total(failed=fault is not None)
        self.run.world.fold(total)  # also where this rank has failed, for the others wait
        if fault is not None or not memory.is_finite(total):
            memory.restore(0)
            raise fault or ShardError("not finite", None)
        self.run.loss = memory.finish(total)
        self.update()
        memory.tree.free(total)
        return outputs

    def _compute(self, arrays: tuple[Array, ...], made: list[Tensor]) -> float:
        loss, *outputs = self.gradients(*arrays)
        made += outputs
        return float(loss.item())


class ShardError(ArithmeticError):
    """The loss of a shard is not finite.

    Attributes:
        value: what it is.
        arrays: the shard's, where this process computed it.
    """

    def __init__(self, value: str, arrays: tuple[Array, ...] | None) -> None:
        super().__init__(f"the loss of a shard is {value}")
        self.value, self.arrays = value, arrays


def _is(a: Any, b: Any) -> bool:
    return a is b
