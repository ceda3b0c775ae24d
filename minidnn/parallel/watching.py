"""Ends a rank if its launcher or another host is gone; it would wait for them forever."""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import socket
import threading
import time
from typing import Any

from minidnn.standard_error import tell

IDLE, INTERVAL, PROBES = 10, 5, 4
"""Seconds of silence before the first probe, seconds between probes, and unanswered probes until a host is gone."""

GONE = "minidnn: no answer from host "
"""The start of the line with which a rank reports a host that is gone; the launcher parses it."""

LOCAL_SIZES = ("MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE")
"""The environment variables in which MPI launchers pass the number of ranks on this host."""


def watch_launcher() -> None:
    """Kills this process (SIGKILL) once its parent, mpich's proxy, is gone."""
    threading.Thread(target=_end_with, args=(os.getppid(),), name="launcher-watch", daemon=True).start()


def _end_with(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def watch_hosts(communicator: Any) -> None:
    """Kills this process (SIGKILL) once a host has not answered for ``IDLE + PROBES * INTERVAL`` seconds.

    Rank 0 watches the other hosts, and their ranks watch the host of rank 0. Each of them keeps a TCP connection to
    rank 0 that carries only the keep-alive probes of the operating systems. So a busy or stopped process does not count
    as gone.

    All ranks must call it. It does nothing if all ranks are on one host.

    Args:
        communicator: an mpi4py communicator.
    """
    local = next((int(os.environ[name]) for name in LOCAL_SIZES if name in os.environ), communicator.size)
    if local == communicator.size:
        return
    here = socket.gethostname()
    listener = socket.create_server(("", 0), backlog=communicator.size) if communicator.rank == 0 else None
    place = (here, listener.getsockname()[1], secrets.token_hex(16)) if listener else None
    host, port, token = communicator.bcast(place)
    connection = None if host == here else _connected(host, port, f"{token} {here}\n")
    count = communicator.reduce(int(connection is not None))
    watched = _accepted(listener, count, token) if listener else {}
    if connection is not None:
        watched[connection] = host
    if watched:
        threading.Thread(target=_end_without, args=(watched,), name="host-watch", daemon=True).start()


def _connected(host: str, port: int, greeting: str) -> socket.socket | None:
    try:
        connection = socket.create_connection((host, port), timeout=IDLE)
        connection.sendall(greeting.encode())
    except OSError as error:
        tell(f"minidnn: host {host} cannot be watched: {error}")
        return None
    return connection


def _accepted(listener: socket.socket, count: int, token: str) -> dict[socket.socket, str]:
    """The connections of ``count`` ranks that sent the token, with their hosts."""
    found: dict[socket.socket, str] = {}
    with listener:
        while len(found) < count:
            connection, _ = listener.accept()
            connection.settimeout(IDLE)
            with connection.makefile("r") as lines:
                sent, _, host = lines.readline(1024).strip().partition(" ")
            if secrets.compare_digest(sent, token):
                found[connection] = host
            else:
                connection.close()
    return found


def _end_without(watched: dict[socket.socket, str]) -> None:
    """Kills this process once a host is gone. A closed connection means that a process ended; mpich notices that."""
    with selectors.DefaultSelector() as selector:
        for connection, host in watched.items():
            _probe(connection)
            selector.register(connection, selectors.EVENT_READ, (connection, host))
        while selector.get_map():
            for key, _ in selector.select():
                selector.unregister(key.fileobj)
                connection, host = key.data
                try:
                    connection.recv(1)
                except OSError:
                    tell(f"{GONE}{host}")
                    os.kill(os.getpid(), signal.SIGKILL)
                connection.close()


def _probe(connection: socket.socket) -> None:
    """Enables the keep-alive probes of the operating system."""
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"  # macOS has the second
    for name, value in {idle: IDLE, "TCP_KEEPINTVL": INTERVAL, "TCP_KEEPCNT": PROBES}.items():
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
