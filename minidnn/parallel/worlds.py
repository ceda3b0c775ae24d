"""The processes that train one model: this process alone, or those that mpiexec started."""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import numpy as np

from minidnn.parallel.tree import Tree
from minidnn.parallel.watching import watch_hosts, watch_launcher
from minidnn.reference.types import Array

T = TypeVar("T")

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "PMIX_RANK")
"""The environment variables that MPI launchers set."""


class World:
    """The processes, called ranks; this class is for a process without others.

    All ranks must call the same methods in the same order.

    Attributes:
        rank: the number of this process, from 0.
        size: the number of processes.
    """

    rank = 0
    size = 1

    def fold(self, array: Array) -> None:
        """Replaces the array by the sum over all ranks, in the order of a binary tree over them.

        Args:
            array: one-dimensional; its length is a multiple of `size`.

        Raises:
            ValueError: the array has another shape, or the number of ranks is not a power of two.
        """

    def gather(self, value: T) -> list[T]:
        """Returns the values of all ranks, in order, on every rank; values are pickled."""
        return [value]

    def first(self, function: Callable[[], T]) -> T:
        """Calls the function on rank 0 and returns its result on every rank.

        Raises:
            Exception: the exception that the function raised, on every rank.
        """
        return function()

    def decided(self, flag: bool) -> bool:
        """Returns the flag of rank 0 on every rank."""
        return flag

    @contextmanager
    def together(self) -> Iterator[None]:
        """Context for work that may fail on some ranks only: if a rank raises an exception, all ranks raise it."""
        yield

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rank={self.rank}, size={self.size})"


class MPIWorld(World):
    """The processes of an MPI communicator.

    Args:
        communicator: an mpi4py communicator.
    """

    def __init__(self, communicator: Any) -> None:
        self._mpi = communicator
        self.rank, self.size = communicator.rank, communicator.size
        self._trees: dict[tuple[int, Any], tuple[Array, Tree]] = {}
        self._flag = np.zeros(1, np.uint8)

    def fold(self, array: Array) -> None:
        if array.ndim != 1 or array.size % self.size or self.size & (self.size - 1):
            raise ValueError(
                f"fold: the array has shape {array.shape}, must be (n,) with n a multiple of the number of ranks, "
                f"{self.size}, a power of two"
            )
        part = array.size // self.size
        if (key := (part, array.dtype)) not in self._trees:
            self._trees[key] = np.empty((self.size, part), array.dtype), Tree(part, array.dtype)
        slices, tree = self._trees[key]
        # Not Allreduce: its order of additions may depend on hosts, sizes and versions.
        self._mpi.Alltoall(array, slices)
        for piece in slices:
            tree.add(piece)
        total = tree.total()
        self._mpi.Allgather(total, array)
        tree.free(total)

    def gather(self, value: T) -> list[T]:
        values: list[T] = self._mpi.allgather(value)
        return values

    def first(self, function: Callable[[], T]) -> T:
        result: Any = None
        error: Exception | None = None
        if self.rank == 0:
            try:
                result = function()
            except Exception as raised:
                error = raised
        sent = self._mpi.bcast((result, None if error is None else _portable(error)))
        if error is not None:
            raise error
        result, error = sent
        if error is not None:
            raise error
        return result

    def decided(self, flag: bool) -> bool:
        self._flag[0] = flag
        self._mpi.Bcast(self._flag)
        return bool(self._flag[0])

    @contextmanager
    def together(self) -> Iterator[None]:
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
        errors = self.gather(None if error is None else _portable(error))
        if error is not None:
            raise error
        if first := next((other for other in errors if other is not None), None):
            raise first


@cache
def world() -> World:
    """The processes that were started together: by ``mpiexec -n 4 python -m mpi4py train.py``, or this one alone.

    MPI is initialized only if mpiexec started the process. From then on an exception that ends one rank ends all ranks.

    Raises:
        ImportError: mpiexec started the process, and mpi4py (the extra ``mpi``) is missing.
    """
    if "mpi4py.MPI" not in sys.modules and not any(name in os.environ for name in SIZES):
        return World()
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            'world: mpiexec started this process, which needs mpi4py; install it with: pip install "minidnn[mpi]"'
        ) from error
    if MPI.COMM_WORLD.size == 1:
        return World()
    sys.excepthook = _end_all(MPI.COMM_WORLD)
    watch_launcher()
    watch_hosts(MPI.COMM_WORLD)
    return MPIWorld(MPI.COMM_WORLD)


def _end_all(communicator: Any) -> Callable[..., None]:
    """The hook for uncaught exceptions: ends all ranks, which would otherwise wait for this one forever."""

    def hook(kind: Any, error: Any, where: Any) -> None:
        sys.stderr.write("".join(traceback.format_exception(kind, error, where)))
        sys.stderr.flush()
        _wait_until_read(sys.stderr)
        communicator.Abort(1)

    return hook


def _wait_until_read(stream: Any, most: float = 2.0) -> None:
    """Waits until the pipe of a stream is empty: on an abort, mpich's proxy discards unread text."""
    try:
        import fcntl
        import termios

        until = time.monotonic() + most
        while time.monotonic() < until:
            if not int.from_bytes(fcntl.ioctl(stream.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder):
                return
            time.sleep(0.01)
    except (ImportError, OSError, ValueError):  # not a pipe, or FIONREAD is not supported
        return


def _portable(error: Exception) -> Exception:
    """The exception, or a RuntimeError with its text if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
