"""The epochs of a run whose batches are cut into shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidnn.checks import positive_integer
from minidnn.data.batches import Cut, ShardedBatch, sharded_batches
from minidnn.data.targets import parts_of
from minidnn.data.types import Augmentation
from minidnn.training.capture import Captured
from minidnn.training.loop import Batches, Loop, NonFiniteError, explain_capture, outputs_of
from minidnn.training.run import Run
from minidnn.training.sharding import ShardedStep, ShardError
from minidnn.training.stepping import Share, gradients_of, layout_of, update_of

MOST = 1024
"""Maximum number of shards of a batch."""


def check_shards(run: Run, shards: Any) -> int:
    """The number of shards, checked.

    Raises:
        TypeError, ValueError: shards is not a power of two up to `MOST`; it does not divide batch_size, exceeds the
            number of examples, or is not a multiple of the number of ranks.
    """
    shards = positive_integer("fit", "shards", shards)
    if shards & (shards - 1) or shards > MOST:
        raise ValueError(f"fit: shards is {shards}, must be a power of two up to {MOST}, such as 8")
    if run.batch_size % shards:
        nearest = max(run.batch_size // shards, 1) * shards
        raise ValueError(
            f"fit: batch_size is {run.batch_size}, must be a multiple of shards={shards}; give batch_size={nearest}"
        )
    if 0 < len(run.train) < shards:
        raise ValueError(
            f"fit: shards is {shards}, must be at most the number of examples, {len(run.train)}; give fewer shards"
        )
    if shards % run.world.size:
        raise ValueError(f"fit: ranks is {run.world.size}, must divide shards={shards}; start 1, 2, 4, ... of them")
    return shards


class ShardedLoop(Loop):
    """The epochs of a run whose batches are cut into shards.

    Args:
        augment, prefetch, capture: as for `fit`.
    """

    def __init__(self, run: Run, augment: Augmentation | None, prefetch: bool | None, capture: bool | str) -> None:
        if prefetch is None and run.world.size > 1:
            prefetch = run.train.slow  # the other cores are busy with the other ranks
        super().__init__(run, augment, prefetch, capture)
        assert run.shards is not None
        count = run.shards // run.world.size
        self.mine = range(run.world.rank * count, (run.world.rank + 1) * count)
        self._sharded: ShardedStep | None = None

    def stopped(self) -> bool:
        """Whether the run must end now: rank 0 decides, since signals and clocks reach ranks at different steps."""
        run = self.run
        if run.world.decided(run.stopping is not None):
            run.stopping = run.world.first(lambda: run.stopping)
            return True
        if run.world.rank:
            run.stopping = None
        return False

    def _begin(self, skip: int = 0) -> Batches:
        run = self.run
        assert run.shards is not None
        return sharded_batches(
            self.source,
            run.batch_size,
            Cut(run.shards, self.mine.start, self.mine.stop),
            run.rng,
            run.drop_last,
            self.augment,
            skip=skip,
            prefetch=self.prefetch,
        )

    def _made(self) -> ShardedStep:
        if self._sharded is None:
            self.layout = layout_of(self.run, self.run.train[:1].inputs)
            share = Share()
            gradients = self._captured(gradients_of(self.run, self.layout, share), share)
            update = self._captured(update_of(self.run))
            self.run.captured = gradients if isinstance(gradients, Captured) else None
            self._sharded = ShardedStep(self.run, gradients, update, share, self.mine)
        return self._sharded

    def _advance(self, group: Sequence[ShardedBatch]) -> int:
        run, step = self.run, self._made()
        examples = sum(batch.examples for batch in group)
        by_place = zip(*(batch.shards for batch in group), strict=True)
        pieces = [[shard for shard in shards if shard is not None] for shards in by_place]
        arrays = [tuple(array for x, y in piece for array in self._arrays(x, y)) or None for piece in pieces]
        shares = [sum(len(parts_of(y)[0]) for _, y in piece) / examples for piece in pieces]
        run.optimizer.rates()  # schedules are called once before each step, captured or not
        try:
            outputs = step(arrays, shares)
        except ShardError as error:
            raise NonFiniteError(self._fault(error)) from None
        run.step += 1
        for half in (step.gradients, step.update):
            explain_capture(half)
        if run.metrics:
            pairs = zip(outputs, pieces, strict=True)
            self._count_all(pieces, [outputs_of(run.model, made, len(piece)) for made, piece in pairs])
        return examples

    def _count_all(self, pieces: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Adds the batches to the metrics: the shards of all ranks, in order."""
        own = [[(o, y) for o, (_, y) in zip(*pair, strict=True)] for pair in zip(outputs, pieces, strict=True)]
        shards = [shard for rank in self.run.world.gather(own) for shard in rank]
        for batch in range(max(map(len, shards))):
            for shard in shards:
                if batch < len(shard):
                    self._count(*shard[batch])

    def _fault(self, error: ShardError) -> str:
        """The error text of the first rank that has one."""
        step = self.run.step + 1
        own = None if error.arrays is None else self.non_finite(step, error.value, error.arrays)
        known = [text for text in self.run.world.gather(own) if text is not None]
        return known[0] if known else self.non_finite(step, error.value, ())
