"""``minidnn playground``: a web page that shows networks as they learn."""

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
        help="open a web page that shows networks as they learn",
        description="Serves a page to this machine only (loopback interface) until Ctrl-C: a playground of small "
        "networks, a race of the optimizers, MNIST live, and the operations of a training step. Works offline.",
    )
    parser.add_argument("--port", type=types.port, default=8137, help="port; 0 takes a free one (default: 8137)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--threads", type=types.count, default=1, help="maximum number of threads (default: 1, best for small networks)"
    )
    parser.add_argument(
        "--record", type=Path, metavar="PAGE", help="train, and write a page that replays it (default: none, serve)"
    )
    parser.add_argument(
        "--settings",
        default="",
        help="settings of the recording, as after the # of the address: data=moons&lr=1 (default: those of the page)",
    )
    parser.add_argument("--frames", type=types.count, default=120, help="frames of the recording (default: 120)")
    parser.add_argument("--speed", type=types.count, default=5, help="updates per frame of it (default: 5)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from minidnn.playground import Server, record

    set_num_threads(arguments.threads)
    if arguments.record:
        record(arguments.record, arguments.settings, arguments.frames, arguments.speed)
        print(f"saved {arguments.record}")
        return 0
    if arguments.settings:
        raise ValueError("playground: --settings needs --record; in the browser, settings follow the # of the address")
    with Server(arguments.port) as server:
        print(f"the playground is at {server.url} (Ctrl-C ends it)", flush=True)
        if not arguments.no_browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        finally:
            server.controls.stop()
    return 0
