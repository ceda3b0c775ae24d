"""A page on the loopback interface where networks learn while one watches: ``minidnn playground``."""

from minidnn.playground.recording import record
from minidnn.playground.server import Server

__all__ = ["Server", "record"]
