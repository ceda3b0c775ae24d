"""Output of the command line: help, one-line errors, and safe display of names from files."""

from __future__ import annotations

import argparse
import os
import re
import sys
from contextlib import suppress
from typing import Any, NoReturn

from minidnn.standard_error import tell

OPTIONS = {"categories": "category"}
"""Python arguments -> command-line options of another name."""


def shown(text: object) -> str:
    """The text with control characters, such as escape sequences and newlines, replaced by visible escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in str(text))


def shown_lines(text: object) -> str:
    """`shown` for each line of a text."""
    return "\n".join(map(shown, str(text).split("\n")))


def quoted(path: object) -> str:
    """A path quoted for a shell."""
    import shlex

    return shlex.quote(shown(path))


LONGEST = 2000
"""Letters of an error; what a file holds may be longer than any terminal."""


def one_line(error: BaseException) -> str:
    """An exception's message in one line, naming command-line options; a long one loses its middle."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        text = f"there is not enough memory: {text}"
    text = re.sub(r"\bimage_shape=\(([\d, ]+)\)", lambda m: f"--image-size {m[1].replace(', ', 'x')}", text)
    text = re.sub(r"\b(missing|task|unknown)='(\w+)'", r"--\1 \2", text)
    text = re.sub(r"\b(ignore|categories)=\[(.*?)\]", lambda m: f"--{OPTIONS.get(m[1], m[1])} {m[2]}", text)
    if len(text := shown(text)) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 + 5 :]}"
    return text


def silence_stdout() -> None:
    """Redirects standard output to nowhere, so that Python does not fail at exit when it flushes to a broken pipe."""
    with suppress(OSError):  # standard output may have no file descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class HelpFormatter(argparse.HelpFormatter):
    """Appends ``(default: 50)`` to the help of each option that does not state its default."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text, default = action.help or "", action.default
        if default in (None, False, argparse.SUPPRESS) or "default" in text or not action.option_strings:
            return text
        if isinstance(default, list):
            default = ",".join(map(str, default))
        return f"{text} (default: {str(default).replace('%', '%%')})"


class Parser(argparse.ArgumentParser):
    """Prints one line on standard error for invalid arguments, and exits with code 2."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", HelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        tell(shown(f"{self.prog}: {message} (see {self.prog} --help)"))
        sys.exit(2)
