"""Options of ``minidnn train`` for training with several processes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from minidnn.cli import types
from minidnn.parallel import launching
from minidnn.training import state


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shards",
        type=types.count,
        metavar="COUNT",
        help="split each batch into this many parts, summed in an order independent of --ranks (default: none)",
    )
    parser.add_argument(
        "--ranks",
        type=types.count,
        metavar="COUNT",
        help="number of processes that share the shards; does not change the results (default: 1)",
    )
    parser.add_argument(
        "--hosts",
        type=types.hosts,
        metavar="HOSTS",
        help="hosts with their numbers of ranks, such as a:4,b:4 (default: this machine)",
    )
    parser.add_argument(
        "--restarts",
        type=types.at_least_zero,
        default=3,
        metavar="COUNT",
        help="how many times to continue from the last checkpoint with half the ranks after one is lost",
    )
    parser.add_argument(
        "--oversubscribe", action="store_true", help="allow ranks x threads to exceed the number of cores"
    )


def is_launcher(arguments: argparse.Namespace) -> bool:
    """Whether this process starts the ranks; False in a rank itself.

    Raises:
        ValueError: an option that it needs is missing, or the ranks do not divide the shards.
    """
    if arguments.ranks is None:
        if arguments.hosts:
            raise ValueError("--hosts needs --ranks")
        return False
    if launching.is_started():
        return False
    if arguments.shards is None:
        raise ValueError(f"--ranks {arguments.ranks} needs --shards, such as --shards {max(8, arguments.ranks)}")
    if arguments.ranks & (arguments.ranks - 1) or arguments.shards % arguments.ranks:
        raise ValueError(
            f"--ranks is {arguments.ranks}, must be a power of two that divides --shards {arguments.shards}"
        )
    return True


def launch(arguments: argparse.Namespace, checkpoints: Path) -> int:
    """Starts the ranks; returns the exit code."""
    earlier = _written(checkpoints)

    def again() -> Sequence[str]:
        """Resumes from checkpoints of this run only, not from those of an earlier run in the folder."""
        return ["--resume"] if arguments.resume or _written(checkpoints) - earlier else []

    return launching.launch(
        ["-m", "minidnn", *arguments.given],
        arguments.ranks,
        threads=arguments.threads,
        hosts=arguments.hosts,
        restarts=arguments.restarts,
        again=again,
        oversubscribe=arguments.oversubscribe,
    )


def _written(checkpoints: Path) -> set[tuple[str, int]]:
    return {(path.name, path.stat().st_mtime_ns) for path in state.checkpoints(checkpoints)}
