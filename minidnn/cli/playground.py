"""``minidnn playground``: a page where networks learn while one watches."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path
from typing import Any

from minidnn import set_num_threads
from minidnn.cli import types


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "playground",
        help="open a page in the browser where networks learn while you watch",
        description="Serves a page on the loopback interface, to this machine alone, until Ctrl-C: a playground of "
        "small networks, a race of the optimizers, MNIST live, and the inside of a step. Works offline.",
    )
    parser.add_argument("--port", type=types.port, default=8137, help="0 takes a free one (default: 8137)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument("--threads", type=types.count, default=1, help="at most (default: 1, best for small networks)")
    parser.add_argument(
        "--record", type=Path, metavar="PAGE", help="train, and write one page that replays it (default: none, serve)"
    )
    parser.add_argument(
        "--settings",
        default="",
        help="of the recording, as behind the # of the address: data=moons&lr=1 (default: those of the first view)",
    )
    parser.add_argument("--frames", type=types.count, default=120, help="of the recording (default: 120)")
    parser.add_argument("--speed", type=types.count, default=5, help="updates a frame of the recording (default: 5)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from minidnn.playground import Server, record

    set_num_threads(arguments.threads)
    if arguments.record:
        record(arguments.record, arguments.settings, arguments.frames, arguments.speed)
        print(f"saved {arguments.record}")
        return 0
    if arguments.settings:
        raise ValueError("playground: --settings goes with --record; in the browser they stand behind the #")
    with Server(arguments.port) as server:
        print(f"the playground is at {server.url} (Ctrl-C ends it)", flush=True)
        if not arguments.no_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        finally:
            server.controls.stop()
    return 0
