"""``minidnn playground``: a local web page that shows networks while they are trained."""

from minidnn.playground.recording import record
from minidnn.playground.server import Server

__all__ = ["Server", "record"]
