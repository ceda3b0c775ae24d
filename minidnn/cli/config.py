"""``minidnn config``: version, instruction set, threads and compiler."""

from __future__ import annotations

import argparse
from typing import Any

from minidnn.config import show_config


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("config", help="show version, instruction set, threads and compiler")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    show_config()
    return 0
