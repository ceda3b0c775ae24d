"""Control of a run: pause, resume, single steps, stop."""

from __future__ import annotations

import threading


class Control:
    """Passes commands from the threads that serve the page's buttons to the thread that streams a run."""

    def __init__(self, paused: bool = False, speed: int = 5) -> None:
        self._condition = threading.Condition()
        self._paused, self._steps, self._stopped = paused, 0, False
        self._speed = speed

    def command(self, text: str) -> None:
        """Executes a command: pause, resume, step, stop, or ``speed N``.

        Raises:
            ValueError: the command is unknown, or the speed is not in [1, 1000].
        """
        with self._condition:
            if text == "pause":
                self._paused = True
            elif text == "resume":
                self._paused = False
            elif text == "step":
                self._paused, self._steps = True, self._steps + 1
            elif text == "stop":
                self._stopped = True
            elif text.startswith("speed ") and text[6:].isdecimal() and 1 <= int(text[6:]) <= 1000:
                self._speed = int(text[6:])
            else:
                raise ValueError(
                    f"the command is {text!r}, must be pause, resume, step, stop or speed N with N in [1, 1000]"
                )
            self._condition.notify_all()

    @property
    def stopped(self) -> bool:
        """Whether the run must end."""
        return self._stopped

    def next(self, timeout: float) -> int:
        """The number of updates to make now: 1 for a single step; 0 if still paused after the timeout."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._steps or not self._paused, timeout)
            if self._stopped:
                return 0
            if self._steps:
                self._steps -= 1
                return 1
            return 0 if self._paused else self._speed

    def rest(self, seconds: float) -> None:
        """Waits between two frames; returns early if the run must end."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped, seconds)


class Controls:
    """The run of each client; a new run ends the previous one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, Control] = {}

    def begin(self, client: str, control: Control) -> None:
        """Registers the client's run and stops its previous one."""
        with self._lock:
            before = self._runs.get(client)
            self._runs[client] = control
        if before is not None:
            before.command("stop")

    def end(self, client: str, control: Control) -> None:
        """Removes the run, unless another has replaced it."""
        with self._lock:
            if self._runs.get(client) is control:
                del self._runs[client]

    def find(self, client: str) -> Control | None:
        """The client's run, or None."""
        with self._lock:
            return self._runs.get(client)

    def stop(self) -> None:
        """Stops all runs."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.command("stop")

    def __len__(self) -> int:
        return len(self._runs)
