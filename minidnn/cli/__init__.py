"""The command ``minidnn``: one module a subcommand, each with ``add(subparsers)`` and ``run(arguments)``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from minidnn import __version__
from minidnn.cli import config, deploy, reproduce, train

SUBCOMMANDS = (train, reproduce, deploy, config)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand; returns the exit code: 0, 2 for bad arguments, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="minidnn", description="Deep learning on a CPU, small enough to read.")
    parser.add_argument("--version", action="version", version=f"minidnn {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in SUBCOMMANDS:
        module.add(subparsers)
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"minidnn {arguments.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at exit
        return 1
    return code
