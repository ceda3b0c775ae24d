"""The server of the page, with the standard library's ``http.server``, on the loopback interface."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from minidnn import __version__, kernels
from minidnn.optimizers import UPDATES
from minidnn.playground.digits import Digits
from minidnn.playground.inside import explained, inside
from minidnn.playground.learner import Learner
from minidnn.playground.presets import PRESETS
from minidnn.playground.race import SURFACES, race
from minidnn.playground.run import Control, Controls
from minidnn.playground.settings import both, choices, defaults

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
MOST_BODY = 4096
FRAME = 1 / 25
"""The minimum number of seconds between two frames."""

BEAT = 0.5
"""Seconds after which a paused run sends a comment, to notice whether the page is still open."""

_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:"


class Server(ThreadingHTTPServer):
    """Serves the page at ``url``, on this machine only.

    Args:
        port: the port; 0 chooses a free one.

    Raises:
        OSError: the port is in use.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.controls = Controls()
        self.digits: dict[str, Digits] = {}

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores closed connections: a page may be closed at any time."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def shutdown(self) -> None:
        """Stops all runs, then the server."""
        self.controls.stop()
        super().shutdown()


class Handler(BaseHTTPRequestHandler):
    """Handles one request."""

    protocol_version = "HTTP/1.1"
    server: Server
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if not self._is_ours():
            return
        answers: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "/choices": page_choices,
            "/race": race,
            "/inside": inside,
            "/explain": lambda given: explained(given.get("name", "")),
        }
        streams = {"/stream": self._points, "/digits": self._digits}
        if url.path in answers:
            self._answer(lambda: answers[url.path](query))
        elif url.path in streams:
            self._stream(query, streams[url.path])
        else:
            self._file(url.path)

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isdecimal() and int(length) <= MOST_BODY):
            self.close_connection = True
            self._send(413, b"the body must have at most 4096 bytes", "text/plain")
            return
        body = self.rfile.read(int(length))
        query = dict(parse_qsl(urlsplit(self.path).query))
        match urlsplit(self.path).path:
            case "/control":
                self._answer(lambda: self._command(query.get("client", ""), body.decode("ascii", "replace")))
            case "/answer":
                self._answer(lambda: self._read_digit(query.get("client", ""), body))
            case _:
                self._send(404, b"not found", "text/plain")

    def _is_ours(self) -> bool:
        """Whether the request comes from this server's own page; requests of other pages are refused."""
        port = self.server.server_address[1]
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        same_site = self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        if self.headers.get("Host") in hosts and same_site and (origin is None or origin.partition("//")[2] in hosts):
            return True
        self.close_connection = True
        self._send(403, b"this server accepts requests only from its own page on this machine", "text/plain")
        return False

    def _file(self, path: str) -> None:
        name = "index.html" if path == "/" else path.removeprefix("/")
        file = files("minidnn.playground") / "page" / name
        if not re.fullmatch(r"[a-z]+\.(html|css|js)", name) or not file.is_file():
            self._send(404, b"not found", "text/plain")
            return
        self._send(200, file.read_bytes(), f"{TYPES[name[name.index('.') :]]}; charset=utf-8")

    def _answer(self, answer: Callable[[], Any]) -> None:
        try:
            status, document = 200, answer()
        except ValueError as error:
            status, document = 400, {"error": str(error)}
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def _command(self, client: str, text: str) -> dict[str, bool]:
        control = self.server.controls.find(client)
        if control is None:
            return {"running": False}
        control.command(text)
        return {"running": not control.stopped}

    def _read_digit(self, client: str, pixels: bytes) -> dict[str, Any]:
        digits = self.server.digits.get(client)
        if digits is None:
            raise ValueError("this page has no network yet; press Train first")
        return digits.answer(pixels)

    def _stream(self, query: dict[str, str], frames: Callable[..., Iterator[Any]]) -> None:
        """Sends server-sent events until the run ends or the page is closed."""
        client = query.pop("client", "")
        speed = query.pop("speed", "5")
        control = Control(query.pop("paused", "") == "1")
        try:
            control.command(f"speed {speed}")
            made = frames(query, control, client)
            first = next(made)
        except ValueError as error:
            self._send(400, json.dumps({"error": str(error)}).encode(), "application/json")
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.server.controls.begin(client, control)
        try:
            self._event(first)
            for frame in made:
                self._event(frame)
            self.wfile.write(b"event: done\ndata: {}\n\n")
        except (ConnectionError, TimeoutError):
            pass  # the page was closed
        finally:
            self.server.controls.end(client, control)

    def _event(self, frame: Any) -> None:
        self.wfile.write(b": still here\n\n" if frame is None else b"data: " + json.dumps(frame).encode() + b"\n\n")

    def _points(self, query: dict[str, str], control: Control, client: str) -> Iterator[Any]:
        return stream_points(query, control)

    def _digits(self, query: dict[str, str], control: Control, client: str) -> Iterator[Any]:
        seed = query.get("seed", "1")
        if not seed.isdecimal():
            raise ValueError(f"seed is {seed!r}, must be an integer of at least 0")
        digits = Digits(int(seed))
        self.server.digits[client] = digits
        try:
            yield {"parameters": sum(parameter.size for parameter in digits.model.parameters())}
            yield digits.frame() | {"loss": None}
            for updates in _pace(control):
                if updates:
                    digits.advance(updates)
                yield digits.frame() if updates else None
        finally:
            if self.server.digits.get(client) is digits:
                del self.server.digits[client]


def stream_points(query: Mapping[str, str], control: Control) -> Iterator[Any]:
    """The frames of one run, or of two runs side by side with the same number of updates."""
    learners = [Learner(settings) for settings in both(query)]
    yield {"points": [learner.points() for learner in learners]}
    yield {"runs": [learner.frame() for learner in learners]}
    for updates in _pace(control):
        if not updates:
            yield None
            continue
        for learner in learners:
            learner.advance(updates)
        yield {"runs": [learner.frame() for learner in learners]}


def _pace(control: Control) -> Iterator[int]:
    """The number of updates before each frame; 0 every `BEAT` seconds while the run is paused."""
    while True:
        start = time.monotonic()
        updates = control.next(BEAT)
        if control.stopped:
            return
        yield updates
        if updates:
            control.rest(max(0.0, FRAME - (time.monotonic() - start)))


def page_choices(query: Mapping[str, str]) -> dict[str, Any]:
    return {
        "choices": choices(),
        "kernels": {row.shown: name for name, row in UPDATES.items()},
        "defaults": defaults(),
        "surfaces": {name: {"lr": s.lr, "adaptive_lr": s.adaptive_lr} for name, s in SURFACES.items()},
        "presets": PRESETS,
        "version": __version__,
        "isa": kernels.isa(),
    }


def serve_in_thread(server: Server) -> threading.Thread:
    """Runs the server in a thread, for tests and notebooks; `Server.shutdown` ends it."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    return thread
