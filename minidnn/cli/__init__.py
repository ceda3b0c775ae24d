"""The command ``minidnn``: one module a subcommand, each with ``add(subparsers)`` and ``run(arguments)``."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

from minidnn import __version__
from minidnn.cli.terminal import Parser, one_line, silence_stdout


def subcommands() -> tuple[ModuleType, ...]:
    """Their modules, which take most of a second to load: within `main`, so that Ctrl-C is told in a line then too."""
    from minidnn.cli import config, deploy, evaluate, explain, learn, playground, predict, reproduce, train, tune, zoo

    return train, tune, evaluate, predict, deploy, reproduce, zoo, explain, learn, playground, config


def parser() -> Parser:
    """The parser of the whole command line."""
    made = Parser(prog="minidnn", description="Deep learning on a CPU, small enough to read.")
    made.add_argument("--version", action="version", version=f"minidnn {__version__}")
    subparsers = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in subcommands():
        module.add(subparsers)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand; returns the exit code.

    0; 2 for arguments or files that make no sense; 1 for a run that failed; 130 after Ctrl-C, 141 where nobody reads
    what is printed. Every exception is one line on standard error, and a traceback too where MINIDNN_TRACEBACK is set.
    """
    name = "minidnn"
    try:
        arguments = parser().parse_args(argv)
        arguments.given = sys.argv[1:] if argv is None else list(argv)
        name += f" {arguments.command}"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # what it warns of is an error, or can be read
            code: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        silence_stdout()
        return 141
    except Exception as error:
        if os.environ.get("MINIDNN_TRACEBACK"):
            raise
        # in one piece, since other ranks may speak, too
        print(f"{name}: {one_line(error)}\n", end="", file=sys.stderr)
        if isinstance(error, OSError) and error.errno and not error.filename:  # a full disk behind standard output
            silence_stdout()
        return 2 if isinstance(error, (ValueError, TypeError, OSError, ImportError)) else 1
    return code
