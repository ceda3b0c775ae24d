"""A step in shards: gradients are summed in a fixed binary tree over the shards, whichever process computes them."""

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
from minidnn.training.stepping import Share

DRAWS = 2**48
"""Distance between the first draws of two consecutive shards in a generator's sequence."""

ALIGNED = 16
"""Alignment in elements of each tensor in the array of `Gradients`."""


class Gradients:
    """The results of a shard in one array, so that they are added and exchanged in one operation.

    The array holds ``share * value`` for the gradients, the buffers and the loss, where share is ``examples of the
    shard / examples of the batch``, and counts: the shards with a gradient, the shards that changed a buffer, and the
    random draws.

    Every shard starts from the buffers (such as running statistics) at the start of the step, and from its own place in
    the generators' sequences. After the step a buffer is the weighted mean over the shards; a buffer that no shard
    changed keeps its bytes. A generator advances by the draws of all shards.

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
        """Whether it still holds exactly the trained parameters."""
        now = [track.param for track in run.optimizer.tracks() if track.param.requires_grad]
        return len(now) == len(self.params) and all(map(_is, now, self.params))

    def begin(self) -> None:
        """Saves buffers and generators at the start of the step."""
        self._before = [tensor._data.copy() for tensor in self.buffers.values()]
        self._drawn = [generator.draw for generator in self.generators]

    def shard(self, place: int, share: float, compute: Callable[[], float] | None) -> None:
        """Computes the gradients of a shard and adds them to the tree.

        Args:
            place: index of the shard within the batch.
            share: its share of the batch's examples.
            compute: computes gradients and returns the loss, both times the share; None for a shard without examples.
        """
        counts = np.zeros(self._loss + 1 - self._moved.start, self.dtype)
        values: list[Array | None] = [None] * len(self._slices)
        if compute is not None:
            self.restore(place)
            counts[-1] = compute()
            values = [*(param._grad for param in self.params), *self._moved_buffers(share, counts)]
            counts[: len(self.params)] = [param._grad is not None for param in self.params]
            drawn = zip(self.generators, self._drawn, strict=True)
            counts[len(values) : -1] = [generator.draw - (before + place * DRAWS) for generator, before in drawn]
        sums, adds = self.tree.place()
        for part, value in [
            *zip(self._slices, values, strict=True),
            (slice(self._moved.start, self._loss + 1), counts),
        ]:
            if not adds:
                sums[part] = 0 if value is None else value.reshape(-1)
            else:  # adds zeros too: -0 + 0 is 0, on every rank alike
                np.add(sums[part], 0 if value is None else value.reshape(-1), out=sums[part])
        self.tree.placed()

    def _moved_buffers(self, share: float, counts: Array) -> list[Array]:
        """The buffers times the share; counts those that the shard changed."""
        values = []
        for place, ((path, buffer), before) in enumerate(zip(self.buffers.items(), self._before, strict=True)):
            if not np.array_equal(buffer._data, before, equal_nan=buffer.dtype.kind == "f"):
                if buffer.dtype.kind != "f":
                    raise TypeError(
                        f"fit: the step changes {path}, of {buffer.dtype}, which shards cannot share; keep it in a "
                        "float tensor, or train without shards"
                    )
                counts[len(self.params) + place] = 1
            values.append(buffer._data * self.dtype.type(share))
        return values

    def total(self, failed: bool) -> Array:
        """The sum over this process's shards; NaN if one has failed."""
        if not failed:
            return self.tree.total()
        self.tree.clear()
        total = self.tree.memory()
        total[...] = np.nan
        return total

    def is_finite(self, total: Array) -> bool:
        """Whether the loss over all shards is finite."""
        return bool(np.isfinite(total[self._loss]))

    def finish(self, total: Array) -> float:
        """Writes the sum over all shards to gradients, buffers and generators; returns the loss."""
        self.restore(0)
        moved, count = total[self._moved], len(self.params)
        for param, part, has in zip(self.params, self._slices[:count], moved[:count], strict=True):
            param._grad = total[part].reshape(param.shape).astype(param.dtype, copy=False) if has else None
            param._lent = True  # the next step overwrites this memory
        for buffer, part, has in zip(self.buffers.values(), self._slices[count:], moved[count:], strict=True):
            if has:
                buffer._data[...] = total[part].reshape(buffer.shape)
                buffer.version += 1
        for generator, before, draws in zip(self.generators, self._drawn, total[self._draws], strict=True):
            generator.draw = before + int(draws)
        return float(total[self._loss])

    def restore(self, place: int) -> None:
        """Restores the buffers of the step's start, and sets generators to the first draw of the shard ``place``."""
        for buffer, before in zip(self.buffers.values(), self._before, strict=True):
            buffer._data[...] = before
        for generator, draw in zip(self.generators, self._drawn, strict=True):
            generator.draw = draw + place * DRAWS


class ShardedStep:
    """One update of a batch in shards; this process computes the shards ``mine``.

    Args:
        run: with its shards and world.
        gradients, update: the two halves of the step, captured or not.
        share: multiplies gradients and loss of a shard.
        mine: indices of this process's shards.
    """

    def __init__(self, run: Run, gradients: Step, update: Step, share: Share, mine: range) -> None:
        self.run, self.gradients, self.update, self.share, self.mine = run, gradients, update, share, mine
        self._memory: Gradients | None = None

    def __call__(self, shards: Sequence[tuple[Array, ...] | None], shares: Sequence[float]) -> list[list[Tensor]]:
        """Makes the update; returns the outputs of each shard.

        Args:
            shards: the arrays of each of this process's shards, of one batch or several.
            shares: the share of each in the batch.

        Raises:
            ShardError: the loss of a shard is not finite; nothing is changed, on any rank.
        """
        if self._memory is None or not self._memory.fits(self.run):
            self._memory = Gradients(self.run, self.run.world.size)
        memory = self._memory
        outputs: list[list[Tensor]] = [[] for _ in shards]
        fault: ShardError | None = None
        memory.begin()
        for place, arrays, share, made in zip(self.mine, shards, shares, outputs, strict=True):
            self.share.value = share
            try:
                memory.shard(place, share, None if arrays is None else partial(self._compute, arrays, made))
            except FloatingPointError as error:
                fault = ShardError(str(error).split()[-1], arrays)
                break
        total = memory.total(failed=fault is not None)
        self.run.world.fold(total)  # even if this rank has failed: the others wait for it
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
        value: the loss.
        arrays: the shard's arrays if this process computed it, else None.
    """

    def __init__(self, value: str, arrays: tuple[Array, ...] | None) -> None:
        super().__init__(f"the loss of a shard is {value}")
        self.value, self.arrays = value, arrays


def _is(a: Any, b: Any) -> bool:
    return a is b
