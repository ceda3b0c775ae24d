"""Checks a result, then times it against its peer in alternating rounds of one process; medians."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from minidnn.columns import columns

Action = Callable[[], object]


@dataclass(frozen=True)
class Bench:
    """What to time.

    Attributes:
        name: of the bench, with its size.
        kernels: the names in `minidnn.kernels` that it times.
        setup: returns ours, the peer's, and a check that raises AssertionError if the results differ.
        flops, bytes: the least that one call must compute and move.
        peer: the peer's name.
    """

    name: str
    kernels: tuple[str, ...]
    setup: Callable[[], tuple[Action, Action, Action]]
    flops: float = 0.0
    bytes: float = 0.0
    peer: str = "NumPy"


@dataclass(frozen=True)
class Result:
    """Medians in microseconds; `ratio` is the peer's time divided by ours."""

    name: str
    threads: int
    ours: float
    peer: float
    peer_name: str
    flops: float
    bytes: float

    @property
    def ratio(self) -> float:
        return self.peer / self.ours

    @property
    def rate(self) -> str:
        if self.flops:
            return f"{self.flops / self.ours / 1e3:.0f} GFLOP/s"
        return f"{self.bytes / self.ours / 1e3:.1f} GB/s" if self.bytes else ""


class WrongResult(AssertionError):
    """The result of a bench differs from its peer's."""


def run(bench: Bench, threads: int, rounds: int, round_seconds: float) -> Result:
    """Checks the results, then times ours and the peer's in alternating rounds.

    Raises:
        WrongResult: the results differ; names the bench.
    """
    ours, peer, check = bench.setup()
    try:
        check()
    except AssertionError as error:
        raise WrongResult(f"bench {bench.name}: the results differ: {error}") from error
    repeats = [_repeats(action, round_seconds) for action in (ours, peer)]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for action, repeat, taken in zip((ours, peer), repeats, times, strict=True):
            taken.append(_time(action, repeat))
    medians = [statistics.median(taken) * 1e6 for taken in times]
    return Result(bench.name, threads, *medians, bench.peer, bench.flops, bench.bytes)


def _time(action: Action, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        action()
    return (time.perf_counter() - start) / repeats


def _repeats(action: Action, round_seconds: float) -> int:
    """The number of calls that fill a round, measured with warm caches."""
    _time(action, 1)
    return max(1, min(100_000, round(round_seconds / max(_time(action, 2), 1e-9))))


HEAD = ("bench", "threads", "ours us", "peer us", "ratio", "rate", "peer")


def _cells(r: Result) -> tuple[str, ...]:
    return r.name, str(r.threads), f"{r.ours:.1f}", f"{r.peer:.1f}", f"{r.ratio:.2f}", r.rate, r.peer_name


def table(results: Iterable[Result]) -> str:
    """The results as a text table: names aligned left, numbers right."""
    return columns([HEAD, *map(_cells, results)], left=(0, len(HEAD) - 1))


def to_json(results: Iterable[Result]) -> str:
    return json.dumps([asdict(result) for result in results], indent=2)


def from_json(text: str | bytes) -> list[Result]:
    return [Result(**row) for row in json.loads(text)]
