"""Checks that all processes that train one model have the same model, data and options."""

from __future__ import annotations

import zlib

from minidnn.random import default_generator
from minidnn.training.identity import differences, generators
from minidnn.training.run import Run


def check_ranks(run: Run) -> None:
    """Raises on every rank if model, data, generators or options differ between ranks.

    Raises:
        ValueError: names the first rank that differs from rank 0, and what differs.
    """
    if run.world.size == 1:
        return
    facts = dict(run.identity)
    for path, tensor in run.model.tensors().items():
        facts[f"model.{path}"] = f"{tensor.dtype}{tensor.shape} with checksum {zlib.crc32(tensor._data.tobytes()):08x}"
    drawn = {"default": default_generator(), "rng": run.rng, **generators(run.model)}
    facts |= {f"generator.{name}": repr(generator) for name, generator in drawn.items()}
    everybody = run.world.gather(facts)
    for rank, other in enumerate(everybody):
        for name in differences(everybody[0], other):
            first, here = everybody[0].get(name), other.get(name)
            raise ValueError(
                f"fit: {name} is {first} on rank 0 and {here} on rank {rank}, must be the same on all; give every rank "
                "the same model, data, seed and options"
            )
