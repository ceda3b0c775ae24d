"""The command ``minidnn``: one module a subcommand, each with ``add(subparsers)`` and ``run(arguments)``."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType

from minidnn import __version__
from minidnn.cli.terminal import Parser, one_line, silence_stdout
from minidnn.standard_error import tell


def subcommands() -> tuple[ModuleType, ...]:
    """Their modules, which take most of a second to load: within `main`, so that Ctrl-C ends in one line then too."""
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

    Exit codes: 0 for success, 1 for a run that failed, 2 for invalid arguments or files, 130 after Ctrl-C, 141 when
    the reader of standard output has closed it. An exception prints one line on standard error; with the environment
    variable MINIDNN_TRACEBACK set it is raised instead, with its traceback.
    """
    name = "minidnn"
    try:
        arguments = parser().parse_args(argv)
        arguments.given = sys.argv[1:] if argv is None else list(argv)
        name += f" {arguments.command}"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # Pillow either reads the file or raises
            code: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        tell(f"{name}: interrupted")
        return 130
    except BrokenPipeError:
        silence_stdout()
        return 141
    except Exception as error:
        if os.environ.get("MINIDNN_TRACEBACK"):
            raise
        # one write, since other ranks may print at the same time
        tell(f"{name}: {one_line(error)}")
        if isinstance(error, OSError) and error.errno and not error.filename:  # standard output is on a full disk
            silence_stdout()
        return 2 if isinstance(error, (ValueError, TypeError, OSError, ImportError)) else 1
    return code
