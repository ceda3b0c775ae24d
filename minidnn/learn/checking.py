"""Compares a user's functions with the compiled kernel."""

from __future__ import annotations

import os
import runpy
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

import numpy as np

from minidnn.learn.exercise import Answer, Exercise, Functions

CLOSE = 8
"""Units in the last place up to which a difference counts as rounding."""

State = Literal["right", "close", "wrong", "unwritten", "broken"]


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    Attributes:
        state: "right"; "close" if only the rounding differs; "wrong"; "unwritten" if a body is still missing; "broken"
            if the user's code raised an error.
        message: the text for the user.
        mistake: the typical mistake that gives the same answers, or "".
        compared: how many numbers were compared.
    """

    state: State
    message: str
    mistake: str = ""
    compared: int = 0

    @property
    def passed(self) -> bool:
        """Whether the formula is right."""
        return self.state in ("right", "close")


def check(exercise: Exercise, path: str | os.PathLike[str]) -> Verdict:
    """Runs a file with the user's permissions, and compares its functions with the kernels.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb"):
        pass
    try:
        names = runpy.run_path(os.fspath(path), run_name=f"learn_{exercise.name}")
    except Exception as error:
        return Verdict("broken", f"{path} does not run: {_described(error)}")
    missing = [name for name in exercise.functions if not callable(names.get(name))]
    if missing:
        return Verdict("broken", f"{path} does not define {missing[0]}, must define {', '.join(exercise.functions)}")
    return judge(exercise, names)


def judge(exercise: Exercise, functions: Functions) -> Verdict:
    """Like `check`, for functions that are already defined."""
    truth = list(exercise.answers(exercise.truth))
    allowed = _allowed(exercise, truth)
    compared, furthest = 0, 0.0
    try:
        for (where, wanted), bound, answer in _paired(truth, allowed, exercise.answers(functions)):
            fault, distance = _compare(where, answer, wanted, bound, exercise.sums)
            if fault:
                return _wrong(exercise, functions, truth, allowed, fault)
            compared, furthest = compared + wanted.size, max(furthest, distance - bound)
    except NotImplementedError:
        return Verdict("unwritten", f"the body is not written yet; minidnn learn {exercise.name} --hint helps")
    except Exception as error:
        return Verdict("broken", _described(error))
    if furthest > 0:
        mistake = _mistake(exercise, list(exercise.answers(functions)), allowed)
        if mistake:
            return Verdict("wrong", f"this is what happens when {mistake}", mistake, compared)
        return Verdict(
            "close",
            f"right, apart from rounding: {compared} numbers agree within {furthest:.0f} units in the last place; the "
            "kernel does the same operations in another order",
            "",
            compared,
        )
    exact = "bit for bit" if not any(allowed) else f"within {max(allowed):.0f} units in the last place"
    return Verdict("right", f"right: {compared} numbers agree {exact}", "", compared)


def _allowed(exercise: Exercise, truth: list[Answer]) -> list[float]:
    """The units in the last place by which each answer may differ: twice the difference of the NumPy reference.

    0 if reference and kernel agree bit for bit.
    """
    names = exercise.run(exercise.solution)
    pairs = zip(exercise.answers(names), truth, strict=True)
    distances = [_distance(ours, wanted, exercise.sums) for (_, ours), (_, wanted) in pairs]
    by_place: dict[str, float] = {}
    for (where, _), distance in zip(truth, distances, strict=True):
        by_place[_kind(where)] = max(by_place.get(_kind(where), 0.0), distance)
    return [2 * float(np.ceil(by_place[_kind(where)])) for where, _ in truth]


def _kind(where: str) -> str:
    """The name of a result without row and step."""
    return where.partition(",")[0] + where.rpartition(":")[2]


def _paired(truth: list[Answer], allowed: list[float], answers: Any) -> Iterator[tuple[Answer, float, Any]]:
    for right, bound, answer in zip_longest(truth, allowed, answers):
        assert right is not None and bound is not None and answer is not None, "the number of answers differs"
        yield right, bound, answer[1]


def _compare(where: str, answer: Any, wanted: Any, bound: float, sums: bool) -> tuple[str, float]:
    """The fault, or "", and the distance in units in the last place."""
    if answer is None:
        return f"{where} is None, must be an array of shape {wanted.shape}; return the result", 0.0
    got = np.asarray(answer)
    if got.shape != wanted.shape:
        return f"{where} has shape {got.shape}, must have {wanted.shape}", 0.0
    if got.dtype != wanted.dtype and wanted.dtype == np.float32 and got.dtype.kind == "f":
        return f"{where} is {got.dtype}, must be float32; the formula mixes in a float64 array", 0.0
    distance = _distance(got, wanted, sums)
    if distance <= bound + CLOSE:
        return "", distance
    apart = _distances(got, wanted, sums) > bound + CLOSE
    place = tuple(int(i) for i in np.argwhere(np.atleast_1d(apart))[0])
    mine, right = np.atleast_1d(got)[place], np.atleast_1d(wanted)[place]
    element = "" if got.ndim == 0 else f" in element {', '.join(map(str, place))}"
    many = "" if got.size == 1 else f" ({int(apart.sum())} of {got.size} differ)"
    return f"{where} is {mine!s}{element}, must be {right!s}{many}", distance


def _distance(got: Any, wanted: Any, sums: bool) -> float:
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.shape != wanted.shape:
        return np.inf
    return float(_distances(got, wanted, sums).max(initial=0.0))


def _distances(got: Any, wanted: Any, sums: bool) -> Any:
    """The differences in units in the last place of the right numbers; for sums, of the largest of them."""
    with np.errstate(all="ignore"):
        size = np.abs(wanted)
        if sums:
            size = np.broadcast_to(size.max(initial=0), size.shape)
        gap = np.abs(got.astype(np.float64) - wanted) / np.spacing(size.astype(wanted.dtype))
    same = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    return np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap))


def _wrong(exercise: Exercise, functions: Functions, truth: list[Answer], allowed: list[float], fault: str) -> Verdict:
    try:
        mistake = _mistake(exercise, list(exercise.answers(functions)), allowed)
    except Exception:  # a later row may not run at all; the first fault is reported
        mistake = ""
    message = f"wrong: {fault}"
    return Verdict("wrong", f"{message}\nThis is what happens when {mistake}." if mistake else message, mistake)


def _mistake(exercise: Exercise, answers: list[Answer], allowed: list[float]) -> str:
    """The typical mistake that gives these answers."""
    for label, source in exercise.mistakes.items():
        try:
            with np.errstate(all="ignore"):
                other = list(exercise.answers(exercise.run(source)))
        except Exception:  # this mistake does not even run on all rows
            continue
        pairs = zip(answers, other, allowed, strict=True)
        if all(
            _distance(got, np.asarray(theirs), exercise.sums) <= bound + CLOSE for (_, got), (_, theirs), bound in pairs
        ):
            return label
    return ""


def _described(error: Exception) -> str:
    """An error, and the line of the user's file that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.sep + "minidnn" + os.sep not in frame.filename]
    line = f" (line {own[-1].lineno} of {os.path.basename(own[-1].filename)})" if own else ""
    return f"{type(error).__name__}: {error}{line}"
