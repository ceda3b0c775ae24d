"""``minidnn learn`` and ``minidnn check``: self-checking exercises."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "learn",
        help="list the exercises, or start one",
        description="Lists the exercises by difficulty; with NAME it writes a file with the formula and an empty "
        "function. Fill it in, then run minidnn check NAME.",
    )
    parser.add_argument("name", nargs="?", help="an exercise, such as adam")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--hint", action="store_true", help="print a hint")
    shown.add_argument("--solution", action="store_true", help="print a solution")
    parser.add_argument("--output", type=Path, help="the file to write (default: NAME.py in the current folder)")
    parser.set_defaults(run=run)
    checked = subparsers.add_parser(
        "check",
        help="compare an exercise's file with the compiled kernel",
        description="Runs the file as a program with your permissions, and compares its functions with the compiled "
        "kernel, bit for bit or within a few units in the last place.",
    )
    checked.add_argument("name", help="an exercise, such as adam")
    checked.add_argument("file", nargs="?", type=Path, help="the file (default: NAME.py in the current folder)")
    checked.set_defaults(run=run_check)


def run(arguments: argparse.Namespace) -> int:
    from minidnn.learn import find

    if arguments.name is None:
        if arguments.hint or arguments.solution or arguments.output:
            raise ValueError("learn: options need the name of an exercise; minidnn learn lists them")
        _list()
        return 0
    exercise = find(arguments.name)
    if arguments.hint or arguments.solution:
        print(exercise.hint if arguments.hint else f"{exercise.imports}\n\n\n{exercise.solution}")
        return 0
    path = arguments.output or Path(f"{exercise.name}.py")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(exercise.file())
    except FileExistsError:
        raise ValueError(f"learn: {path} exists, and may hold your work; give another name with --output") from None
    print(f"wrote {path}; write the body, then run: minidnn check {exercise.name}{_given(arguments.output)}")
    return 0


def _given(path: Path | None) -> str:
    return "" if path is None else f" {path}"


def _list() -> None:
    from minidnn.learn import LEVELS, exercises

    wide = max(len(exercise.name) for exercise in exercises())
    level = 0
    for exercise in exercises():
        if exercise.level != level:
            level = exercise.level
            print(f"{level}  {LEVELS[level]}")
        print(f"   {exercise.name:{wide}}  {_beginning(exercise.task)}")
    print("\nminidnn learn NAME starts an exercise, minidnn check NAME checks your solution")


def _beginning(task: str) -> str:
    """The first clause of the task, as its summary."""
    line = next(line for line in task.splitlines() if line.strip())
    clause = re.split(r"[:;](?:\s|$)|(?<!al)\.(?:\s|$)|, element by element|, not truncated| in \[-|, with x", line)[0]
    return "an optimizer's update" if clause.endswith("_step") else clause


def run_check(arguments: argparse.Namespace) -> int:
    from minidnn.learn import check, find

    exercise = find(arguments.name)
    path = arguments.file or Path(f"{exercise.name}.py")
    if not path.exists():
        raise ValueError(f"check: {path} does not exist; minidnn learn {exercise.name} writes it")
    verdict = check(exercise, path)
    print(f"{exercise.name}: {verdict.message}")
    return 0 if verdict.passed else 1
