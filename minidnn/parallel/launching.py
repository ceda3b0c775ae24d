"""Starts a command on several ranks, and restarts it on fewer ranks if one is lost."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO

from minidnn.config import available_cpus
from minidnn.parallel.watching import GONE
from minidnn.parallel.worlds import SIZES
from minidnn.standard_error import tell

FORWARDED = (signal.SIGINT, signal.SIGTERM)
"""Signals that are forwarded to the ranks. They end the run; it is not restarted."""

PATIENCE = 5
"""Seconds that mpiexec may take to end the ranks once a host is gone."""

FAILED = 255
"""The exit code of a failed mpiexec. With several hosts it fails if a signal ends a rank, and names no signal."""

REMEDY = 'install them with: pip install "minidnn[mpi]"'


class Ended(NamedTuple):
    """How a run of mpiexec ended.

    Attributes:
        code: the exit code.
        signal: the signal that ended a rank; None if no rank was lost.
        host: the host of that rank, or the host that did not answer.
        gone: whether the host did not answer.
    """

    code: int
    signal: int | None
    host: str | None
    gone: bool


def is_started() -> bool:
    """Whether mpiexec started this process."""
    return any(name in os.environ for name in SIZES)


def threads_of(ranks: int, hosts: Mapping[str, int], threads: int | None, oversubscribe: bool) -> int:
    """The number of threads per rank: ``threads``, or the cores of a host divided by its ranks.

    Assumes that every host has as many cores as this one.

    Raises:
        ValueError: there are more ranks x threads than cores. MPI waits busily, so all ranks would become slow.
    """
    cores, together = available_cpus(), min(ranks, max(hosts.values(), default=ranks))
    wanted = threads or max(1, cores // together)
    if wanted * together > cores and not oversubscribe:
        raise ValueError(
            f"ranks is {together} of {wanted} thread{'s' * (wanted > 1)} each, must be at most the {cores} cores of "
            "a host; give fewer --ranks or --threads, or --oversubscribe to run slowly all the same"
        )
    return wanted


def launch(
    command: Sequence[str],
    ranks: int,
    *,
    threads: int | None = None,
    hosts: Mapping[str, int] | None = None,
    restarts: int = 3,
    again: Callable[[], Sequence[str]] = list,
    oversubscribe: bool = False,
) -> int:
    """Runs ``python -m mpi4py COMMAND`` on several ranks; returns the exit code.

    A rank that a signal ends is lost: it ran out of memory, crashed, or its host is gone. The other ranks are then
    ended, and the command is restarted on half as many. An exception on any rank ends all ranks, and its message is
    shown once. SIGINT and SIGTERM are forwarded to the ranks.

    Args:
        command: arguments of Python, such as ``["-m", "minidnn", "train", ...]``.
        ranks: the number of ranks, a power of two.
        threads: the number of threads per rank; None: the cores divided by the ranks.
        hosts: name -> maximum number of ranks; None or empty: only this machine.
        restarts: the maximum number of restarts.
        again: returns arguments to append to the command on a restart.
        oversubscribe: whether to allow more ranks x threads than cores.

    Raises:
        ImportError: mpi4py or mpiexec is missing.
        ValueError: there are more ranks than the hosts allow, or more ranks x threads than cores.
    """
    hosts, more = dict(hosts or {}), list[str]()
    starter = mpiexec()
    if hosts and ranks > sum(hosts.values()):
        raise ValueError(f"ranks is {ranks}, must be at most the sum over --hosts, {sum(hosts.values())}")
    wanted = threads_of(ranks, hosts, threads, oversubscribe)
    while True:
        start = [starter, "-n", str(ranks), *_where(hosts), *_python(), "-m", "mpi4py", *command, *more]
        ended = _run(start, {"OMP_NUM_THREADS": str(wanted)})
        if ended.signal is None or restarts == 0:
            if ended.signal is not None:
                _say(f"{_what(ended)}, and no restart is left")
            return ended.code
        restarts -= 1
        hosts = _without(hosts, ended)
        ranks = max(1, ranks // 2)
        while hosts and ranks > sum(hosts.values()):
            ranks //= 2
        more = list(again())
        place = "the last checkpoint" if more else "the beginning"
        _say(f"{_what(ended)}; starting {ranks} from {place}")


def mpiexec() -> str:
    """The path of mpiexec; the wheel of mpich installs it next to Python.

    Raises:
        ImportError: mpi4py or mpiexec is missing; names the extra.
    """
    places = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
    found = shutil.which("mpiexec", path=places)
    missing = "mpi4py" if importlib.util.find_spec("mpi4py") is None else "mpiexec" if found is None else None
    if missing is not None or found is None:
        raise ImportError(f"ranks: needs mpi4py and mpiexec, {missing} is missing; {REMEDY}")
    return found


def _python() -> list[str]:
    """Python that finds modules in the current folder only if this process does.

    Otherwise ``minidnn train --ranks 2`` in a checkout would import the folder minidnn/, not the installed package.
    """
    here = {os.getcwd(), ""}
    return [sys.executable] if here.intersection(sys.path) else [sys.executable, "-P"]


def _where(hosts: Mapping[str, int]) -> list[str]:
    return ["-hosts", ",".join(f"{name}:{slots}" for name, slots in hosts.items())] if hosts else []


def _without(hosts: Mapping[str, int], ended: Ended) -> dict[str, int]:
    """The hosts without the one that is gone, or with one rank less on the host that lost a rank.

    Returns all hosts if none would be left.
    """
    lost = {ended.host: hosts.get(ended.host or "", 0) if ended.gone else 1}
    left = {name: slots - lost.get(name, 0) for name, slots in hosts.items()}
    left = {name: slots for name, slots in left.items() if slots}
    return left or dict(hosts)


def _run(start: Sequence[str], environment: Mapping[str, str]) -> Ended:
    # A new session: otherwise Ctrl-C would reach the ranks twice, from the terminal and from mpiexec.
    process = subprocess.Popen(
        start,
        env=os.environ | dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    filters = [Filter(process.stdout, sys.stdout), Filter(process.stderr, sys.stderr)]
    forwarded: list[int] = []
    with _forwarding(process, forwarded):
        for one in filters:
            while one.is_alive() and not any(other.error for other in filters):
                one.join(0.2)
                if any(other.gone for other in filters):
                    _end_in_time(process)
        if error := next((one.error for one in filters if one.error), None):  # the reader of our output is gone
            process.terminate()
            process.wait()
            raise error
        code = process.wait()
    number = next((one.signal for one in filters if one.signal is not None), None)
    if number is None and code == FAILED:
        number = next((one.ending for one in filters if one.ending is not None), None)
    gone = next((one.gone for one in filters if one.gone), None)
    if gone:
        number = signal.SIGKILL
    host = gone or next((one.host for one in filters if one.host is not None), None)
    if number is not None or code < 0:
        code = 128 + (number or -code)
    return Ended(code, None if forwarded else number, host, bool(gone))


def _end_in_time(process: subprocess.Popen[str]) -> None:
    """Ends an mpiexec that lost a host: it would wait for the proxy on that host forever."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def _forwarding(process: subprocess.Popen[str], forwarded: list[int]) -> Any:
    """Within the context the signals of `FORWARDED` are sent to the process; an exception kills it."""

    def forward(number: int, frame: Any) -> None:
        forwarded.append(number)
        process.send_signal(number)

    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, forward) for number in FORWARDED} if main else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if process.poll() is None:
            process.kill()
            process.wait()


class Filter(threading.Thread):
    """Passes lines on, except for mpiexec's text about a rank that ended, and repeated errors of other ranks.

    Attributes:
        signal: the signal that ended a rank.
        ending: the signal or the exit code that ended a rank.
        host: the host of that rank.
        gone: the host that does not answer.
        error: the error of writing to the target, which ended the filter.
    """

    NOISE = re.compile(
        r"=+$|=   (BAD TERMINATION|PID \d|EXIT CODE|CLEANING UP|YOU CAN IGNORE)|YOUR APPLICATION TERMINATED WITH"
        r"|This typically refers to a problem|Please see the FAQ page|Abort\(\d+\) on node|\[mpiexec@|\[proxy:"
        r"|Press Ctrl-C again|In: PMI_Abort"
    )
    ERROR = re.compile(r"minidnn \w+: ")

    def __init__(self, source: Any, target: TextIO) -> None:
        super().__init__(daemon=True)
        self._source, self._target = source, target
        self.signal: int | None = None
        self.ending: int | None = None
        self.host: str | None = None
        self.gone: str | None = None
        self.error: OSError | None = None
        self.start()

    def run(self) -> None:
        try:
            self._pass_on()
        except OSError as error:
            self.error = error

    def _pass_on(self) -> None:
        seen: set[str] = set()
        blank = ""
        for line in self._source:
            if self.NOISE.match(line):
                self._note(line)
                blank = ""
            elif not line.strip():
                blank += line
            elif line.startswith(GONE):
                self.gone = line.removeprefix(GONE).strip()
            elif not (self.ERROR.match(line) and line in seen):
                if self.ERROR.match(line):
                    seen.add(line)
                self._target.write(blank + line)
                self._target.flush()
                blank = ""

    def _note(self, line: str) -> None:
        if found := re.search(r"EXIT STRING: .*\(signal (\d+)\)", line):
            self.signal = int(found[1])
        if found := re.search(r"EXIT CODE: (\d+)", line):
            self.ending = int(found[1])
        if found := re.search(r"PID \d+ RUNNING AT (\S+)", line):
            self.host = found[1]


def _what(ended: Ended) -> str:
    """The reason why a run ended."""
    if ended.gone:
        return f"host {ended.host} does not answer"
    assert ended.signal is not None
    try:
        return f"a rank was lost ({signal.Signals(ended.signal).name})"
    except ValueError:
        return f"a rank was lost (signal {ended.signal})"


def _say(text: str) -> None:
    tell(f"minidnn: {text}")
