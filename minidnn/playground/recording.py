"""Writes a run as one page that replays without a server."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from minidnn.files import atomic_write
from minidnn.playground.run import Control
from minidnn.playground.server import page_choices, stream_points


def record(path: str | os.PathLike[str], settings: str = "", frames: int = 120, speed: int = 5) -> None:
    """Trains a network and writes a page that replays the training, with styles, scripts and frames embedded.

    Args:
        path: the path of the page.
        settings: the part after the # of the playground's address, such as ``data=moons&optimizer=SGD``.
        frames: the number of frames.
        speed: the number of updates per frame.

    Raises:
        ValueError: frames or speed is below 1, or a setting is invalid.
        OSError: the page cannot be written.
    """
    if frames < 1:
        raise ValueError(f"record: frames is {frames}, must be at least 1")
    query = dict(parse_qsl(settings.removeprefix("#").removeprefix("playground?"), keep_blank_values=True))
    control = Control()
    control.command(f"speed {speed}")
    shown = list(_taken(stream_points(query, control), frames))
    control.command("stop")
    recording = {"query": urlencode(query), "frames": shown, "choices": page_choices({})}
    atomic_write(Path(path), page(recording).encode())


def _taken(stream: Iterator[Any], frames: int) -> Iterator[Any]:
    """The points, then the given number of frames."""
    for i, frame in enumerate(stream):
        yield frame
        if i == frames:
            return


def page(recording: Mapping[str, Any]) -> str:
    """The playground's page with styles, scripts and a recording embedded."""
    folder = files("minidnn.playground") / "page"
    html = (folder / "index.html").read_text(encoding="utf-8")
    css = (folder / "style.css").read_text(encoding="utf-8")
    html = html.replace('<link rel="stylesheet" href="style.css">', f"<style>\n{css}</style>")
    text = json.dumps(recording).replace("<", "\\u003c")
    html = html.replace("<!-- recording -->", f"<script>window.RECORDING = {text};</script>")

    def script(match: re.Match[str]) -> str:
        return f"<script>\n{(folder / match[1]).read_text(encoding='utf-8')}</script>"

    return re.sub(r'<script src="([a-z]+\.js)"></script>', script, html)
