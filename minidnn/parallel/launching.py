"""Starts a command on several ranks, and again on fewer where one is lost."""

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
"""Signals that the ranks get; the user's wish to end, after which nothing is started again."""

PATIENCE = 5
"""Seconds that mpiexec has to end the ranks once a host is gone."""

FAILED = 255
"""The exit code of a failed mpiexec. On several hosts it fails where a signal ends a rank, and names no signal."""

REMEDY = 'install them with: pip install "minidnn[mpi]"'


class Ended(NamedTuple):
    """How a start ended.

    Attributes:
        code: the exit code.
        signal: that ended a rank; None: no rank was lost.
        host: of that rank, or the one that did not answer.
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
    """The threads of each rank: as many as asked for, or the cores of a host over its ranks.

    Every host is taken to have the cores of this one.

    Raises:
        ValueError: more ranks x threads than cores; ranks wait for each other busily, so that all become slow.
    """
    cores, together = available_cpus(), min(ranks, max(hosts.values(), default=ranks))
    wanted = threads or max(1, cores // together)
    if wanted * together > cores and not oversubscribe:
        raise ValueError(
            f"ranks is {together} of {wanted} thread{'s' * (wanted > 1)} each, must be at most the {cores} cores of "
            "a host; give fewer --ranks or --threads, or --oversubscribe to do it all the same, slowly"
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
    """Runs ``python -m mpi4py COMMAND`` on so many ranks; returns the exit code.

    A rank that a signal ends is lost: by the kernel for want of memory, with its host, or by a fault. The others are
    ended, and the command is started once more on half as many. An exception on any rank ends all ranks, and its
    message is shown once. SIGINT and SIGTERM go to the ranks.

    Args:
        command: arguments of Python, such as ``["-m", "minidnn", "train", ...]``.
        ranks: a power of two.
        threads: of each rank; None: the cores over the ranks.
        hosts: name -> ranks that it takes; none: this machine alone.
        restarts: how often it is started again at most.
        again: what is added to the command when it is started again.
        oversubscribe: allow more ranks x threads than cores.

    Raises:
        ImportError: mpi4py or mpiexec is missing.
        ValueError: more ranks than the hosts take; more ranks x threads than cores.
    """
    hosts, more = dict(hosts or {}), list[str]()
    starter = mpiexec()
    if hosts and ranks > sum(hosts.values()):
        raise ValueError(f"ranks is {ranks}, must be at most what the hosts take, {sum(hosts.values())}")
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
    """The path of mpiexec, which the wheel of mpich puts beside Python.

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

    Else ``minidnn train --ranks 2`` in a checkout would import the folder minidnn/ rather than what is installed.
    """
    here = {os.getcwd(), ""}
    return [sys.executable] if here.intersection(sys.path) else [sys.executable, "-P"]


def _where(hosts: Mapping[str, int]) -> list[str]:
    return ["-hosts", ",".join(f"{name}:{slots}" for name, slots in hosts.items())] if hosts else []


def _without(hosts: Mapping[str, int], ended: Ended) -> dict[str, int]:
    """The hosts without the one that is gone, or without one place of the host that lost a rank.

    All of them where nothing else is left.
    """
    lost = {ended.host: hosts.get(ended.host or "", 0) if ended.gone else 1}
    left = {name: slots - lost.get(name, 0) for name, slots in hosts.items()}
    left = {name: slots for name, slots in left.items() if slots}
    return left or dict(hosts)


def _run(start: Sequence[str], environment: Mapping[str, str]) -> Ended:
    # A session of its own: Ctrl-C at the terminal would reach the ranks twice, by the terminal and by mpiexec.
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
    asked: list[int] = []
    with _forwarded(process, asked):
        for one in filters:
            while one.is_alive() and not any(other.error for other in filters):
                one.join(0.2)
                if any(other.gone for other in filters):
                    _end_in_time(process)
        if error := next((one.error for one in filters if one.error), None):  # nobody reads what is printed
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
    return Ended(code, None if asked else number, host, bool(gone))


def _end_in_time(process: subprocess.Popen[str]) -> None:
    """Ends an mpiexec one of whose hosts is gone: it waits for the proxy there for ever."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def _forwarded(process: subprocess.Popen[str], asked: list[int]) -> Any:
    """Within it the signals of `FORWARDED` go to the process; kills it where it is left by an exception."""

    def forward(number: int, frame: Any) -> None:
        asked.append(number)
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
    """Hands lines on, but for what mpiexec says of a rank that ended, and for errors that another rank told already.

    Attributes:
        signal: that ended a rank.
        ending: what ended a rank: the number of a signal, or an exit code.
        host: of that rank.
        gone: the host that does not answer.
        error: that kept it from handing on, after which it ended.
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
            self._hand_on()
        except OSError as error:
            self.error = error

    def _hand_on(self) -> None:
        told: set[str] = set()
        blank = ""
        for line in self._source:
            if self.NOISE.match(line):
                self._note(line)
                blank = ""
            elif not line.strip():
                blank += line
            elif line.startswith(GONE):
                self.gone = line.removeprefix(GONE).strip()
            elif not (self.ERROR.match(line) and line in told):
                told.add(line) if self.ERROR.match(line) else None
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
    """What a start was ended by."""
    if ended.gone:
        return f"host {ended.host} does not answer"
    assert ended.signal is not None
    try:
        return f"a rank was lost ({signal.Signals(ended.signal).name})"
    except ValueError:
        return f"a rank was lost (signal {ended.signal})"


def _say(text: str) -> None:
    tell(f"minidnn: {text}")
