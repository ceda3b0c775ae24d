"""A small HTTP server on this machine that sends files completely, damaged, late or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Request(BaseHTTPRequestHandler):
    """One request; a page's function answers it with these."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.log.append((self.path, self.headers.get("Range")))
        try:
            self.server.pages[self.path](self)
        except KeyError:
            self.send_error(404)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client has left

    def log_message(self, *arguments: object) -> None:
        pass

    def head(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def ranged(self, content: bytes, most: int | None = None) -> None:
        """The response of a server that supports ranges; it closes the connection after at most `most` bytes."""
        asked = self.headers.get("Range")
        if asked is None:
            self.head(200, len(content))
            self.wfile.write(content[:most])
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            self.head(416, 0, Content_Range=f"bytes */{len(content)}")
            return
        rest = content[start:]
        self.head(206, len(rest), Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.wfile.write(rest[:most])


class Server(ThreadingHTTPServer):
    """Serves ``pages``, path -> function of a `Request`; keeps (path, Range) of every request in ``log``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.pages: dict[str, Callable[[Request], None]] = {}
        self.log: list[tuple[str, str | None]] = []
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, *arguments: object) -> None:
        pass  # connections that were cut on purpose


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
