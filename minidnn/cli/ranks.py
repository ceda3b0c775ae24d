"""Options of ``minidnn train`` for one training over several processes."""

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
        help="cut each batch into this many parts, added in an order that does not depend on --ranks (default: none)",
    )
    parser.add_argument(
        "--ranks",
        type=types.count,
        metavar="COUNT",
        help="processes that share the shards, with the same bytes (default: one)",
    )
    parser.add_argument(
        "--hosts", type=types.hosts, metavar="HOSTS", help="where ranks run, as a:4,b:4 (default: this machine alone)"
    )
    parser.add_argument(
        "--restarts",
        type=types.at_least_zero,
        default=3,
        metavar="COUNT",
        help="how often to go on with half the ranks from the last checkpoint when one is lost",
    )
    parser.add_argument("--oversubscribe", action="store_true", help="allow more ranks x threads than cores")


def is_launcher(arguments: argparse.Namespace) -> bool:
    """Whether this process shall start the ranks, rather than be one.

    Raises:
        ValueError: options that need others; ranks that do not divide the shards.
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
        """Goes on from what this run has written; what an earlier one left in the folder is another's."""
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
