"""Timing of each call of a program."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from minidnn import kernels
from minidnn.columns import columns
from minidnn.program.buffers import Call
from minidnn.program.program import Program
from minidnn.program.show import flow, settings
from minidnn.reference.types import Array


@dataclass(frozen=True)
class Row:
    """One call, timed.

    Attributes:
        call: the call.
        seconds: the median over the replays.
        share: the fraction of the total time of all calls, in [0, 1].
        floor: the time divided by the time of the same FLOPs at the peak rate (`Profile.peak`); None if the call is
            not a matrix product.
    """

    call: Call
    seconds: float
    share: float
    floor: float | None

    @property
    def rate(self) -> str:
        """GFLOP/s of a matrix product; GB/s read and written for any other call."""
        if self.call.flops:
            return f"{self.call.flops / self.seconds / 1e9:.0f} GFLOP/s"
        return f"{self.call.nbytes / self.seconds / 1e9:.1f} GB/s"


@dataclass(frozen=True)
class Profile:
    """The calls of a program with their times, as a table and a picture.

    Attributes:
        rows: one per call, in order.
        seconds: the median of a whole replay, in which adjacent elementwise calls are fused.
        peak: FLOP/s of a large matrix product on this machine with this number of threads.
        threads: the number of threads.
    """

    rows: list[Row]
    seconds: float
    peak: float
    threads: int

    def __str__(self) -> str:
        alone = sum(row.seconds for row in self.rows)
        table = [("", "kernel", "writes <- reads", "us", "share", "rate", "x floor", "")]
        for number, row in enumerate(self.rows):
            floor = "" if row.floor is None else f"{row.floor:.2f}"
            measured = (f"{1e6 * row.seconds:.1f}", f"{row.share:.1%}", row.rate, floor)
            table.append((str(number), row.call.kernel, flow(row.call), *measured, settings(row.call)))
        return (
            f"{columns(table, left=(1, 2, 7))}\n"
            f"replay {1e6 * self.seconds:.1f} us; its calls one by one {1e6 * alone:.1f} us; {self.threads} "
            f"thread{'s' * (self.threads > 1)}; fastest product {self.peak / 1e9:.0f} GFLOP/s"
        )

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draws one bar per call; see `minidnn.program.pictures.draw_profile`."""
        from minidnn.program.pictures import draw_profile

        draw_profile(self, path)


def profile(program: Program, arrays: tuple[Array, ...], repeats: int = 50) -> Profile:
    """Times each call over repeated replays, then restores all values that the replays changed.

    Args:
        program: the program to time.
        arrays: its arguments.
        repeats: the number of replays; the profile reports medians.
    """
    restore = program.state()
    whole = []
    try:
        program.run(arrays)
        times = np.array([program.time(arrays) for _ in range(repeats)])
        for _ in range(repeats):
            start = time.perf_counter()
            program.run(arrays)
            whole.append(time.perf_counter() - start)
    finally:
        restore()
    medians = np.maximum(np.median(times, axis=0), 1e-9)
    peak = fastest_product()
    rows = [
        Row(call, float(seconds), float(seconds / medians.sum()), seconds * peak / call.flops if call.flops else None)
        for call, seconds in zip(program.calls, medians, strict=True)
    ]
    return Profile(rows, float(np.median(whole)), peak, kernels.num_threads())


def fastest_product(repeats: int = 20) -> float:
    """FLOP/s of a 768 x 768 matrix product on this machine, the best of ``repeats`` runs."""
    n = 768
    a = np.ones((n, n), np.float32)
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        kernels.matmul(a, a)
        best = min(best, time.perf_counter() - start)
    return float(2 * n**3 / best)
