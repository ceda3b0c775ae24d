"""Exercises generated from the tables of kernels: the update of each optimizer, and each activation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidnn import kernels, reference
from minidnn.activations import ACTIVATIONS
from minidnn.explaining import explain
from minidnn.learn.exercise import Answer, Exercise, Functions
from minidnn.learn.mistakes import mistaken
from minidnn.learn.sources import plain_source
from minidnn.optimizers import UPDATES
from minidnn.reference import activations

STEPS = 4
SETTINGS: dict[str, tuple[float, float]] = {
    "lr": (0.1, 0.003),
    "momentum": (0.9, 0.5),
    "decay": (0.9, 0.99),
    "rho": (0.95, 0.5),
    "beta1": (0.9, 0.5),
    "beta2": (0.999, 0.9),
    "eps": (1e-7, 0.01),
    "weight_decay": (0.1, 0.5),
    "lr_power": (-0.5, -0.5),
    "l1": (0.3, 0.01),
    "l2": (0.01, 0.2),
    "l2_shrinkage": (0.02, 0.1),
    "beta": (0.1, 1.0),
    "rate": (0.01, 0.2),
}
"""Two values of each hyperparameter; the default is 0.1 and 0.5."""

FIRST = {"radam": 4}
"""The number of the first step, if not 1: RAdam then takes steps with and without the adaptive rate."""

STARTS = {"accumulator": 0.1}
"""The initial value of a slot, if not 0."""

HINTS = {
    "sgd": "One line, in place: param -= ...; a new array would not change the caller's.",
    "adam": "Four lines: m, v, the two corrections as Python numbers, then the update. 1 - beta1**step is a Python "
    "number; only the last line mixes it with arrays.",
    "ftrl": "Keep the new sum in a separate variable; linear needs the roots of both the old and the new one.",
}


def updates() -> Iterator[Exercise]:
    """An exercise for each update of `minidnn.reference.optim`."""
    for kernel in sorted(f"{name}_step" for name in UPDATES):
        function = getattr(reference, kernel)
        name, solution = kernel.removesuffix("_step"), plain_source(function)
        slots = _slots(function)
        hint = HINTS.get(name) or (
            f"Change the slots first ({', '.join(slots)}), in place with [...] =, then param with the new ones."
        )
        task = (
            f"{kernel}: an optimizer's update of one parameter, in place.\n\n{explain(kernel).parts[0].formula}\n\n"
            "Arrays are float32 and have the same shape; the arguments after the * are numbers."
        )
        yield Exercise(
            name, 3, task, solution, hint, _steps(kernel, function), {kernel: getattr(kernels, kernel)},
            mistaken(solution), imports="import math\n\nimport numpy as np",
        )  # fmt: skip


def _slots(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY and p.name not in ("param", "grad")]


def _steps(kernel: str, function: Callable[..., Any]) -> Callable[[Functions], Iterator[Answer]]:
    """Several steps from new slots, with usual and with unusual hyperparameters."""
    slots = _slots(function)
    options = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]

    def answers(functions: Functions) -> Iterator[Answer]:
        for row in range(2):
            rng = np.random.default_rng(row)
            param = rng.standard_normal(33).astype(np.float32)
            state = {name: np.full_like(param, STARTS.get(name, 0.0)) for name in slots}
            settings = {name: SETTINGS.get(name, (0.1, 0.5))[row] for name in options}
            for step in range(1, STEPS + 1):
                grad = _gradient(rng, param.size)
                kept = grad.copy()
                if "step" in settings:
                    settings["step"] = step - 1 + FIRST.get(kernel.removesuffix("_step"), 1)
                with np.errstate(all="ignore"):
                    functions[kernel](param, grad, *state.values(), **settings)
                where = f"{kernel}, {_shown(settings)}, step {step}:"
                yield f"{where} grad, which must not be changed,", grad.copy() if (grad != kept).any() else kept
                for name, slot in state.items():
                    yield f"{where} {name}", slot.copy()
                yield f"{where} param", param.copy()

    return answers


def _gradient(rng: np.random.Generator, n: int) -> Any:
    """A gradient with elements of different magnitudes, and some zeros."""
    grad = rng.standard_normal(n) * 10.0 ** rng.integers(-4, 2, n)
    grad[::7] = 0
    return grad.astype(np.float32)


def _shown(settings: dict[str, float]) -> str:
    return " ".join(f"{name}={value:g}" for name, value in settings.items() if name != "step")


def activation_exercises() -> Iterator[Exercise]:
    """An exercise for each row of `minidnn.activations`."""
    for name in sorted(ACTIVATIONS):
        function, backward = getattr(activations, name), getattr(activations, f"{name}_backward")
        takes = list(inspect.signature(function).parameters)
        solution = plain_source(function, backward)
        second = list(inspect.signature(backward).parameters)[1]
        task = f"{name} and its derivative, element by element, for float32 arrays of any shape.\n\n" + "\n\n".join(
            f"{part.kernel}({_arguments(part.kernel)}):\n{part.formula}" for part in explain(name).parts
        )
        hint = "np.where chooses between two formulas; both are computed, so neither may overflow. The derivative " + (
            "uses only the output y; do not compute f(x) again." if second == "y" else f"uses {second}."
        )
        names = (name, f"{name}_backward")
        answers = _activations(*names, getattr(reference, name), takes[1:], second)
        yield Exercise(
            name, 1 if "exp" not in solution else 2, task, solution, hint, answers,
            {kernel: getattr(kernels, kernel) for kernel in names}, mistaken(solution),
        )  # fmt: skip


def _arguments(kernel: str) -> str:
    return ", ".join(inspect.signature(getattr(reference, kernel)).parameters)


def _activations(
    name: str, backward: str, truth: Callable[..., Any], options: list[str], second: str
) -> Callable[[Functions], Iterator[Answer]]:
    def answers(functions: Functions) -> Iterator[Answer]:
        for row, alpha in enumerate((0.7, 0.01)):
            rng = np.random.default_rng(row)
            x = np.concatenate([rng.standard_normal(60) * 3, [0.0, -0.0, 88, -100, 1e-6, -1e-6]]).astype(np.float32)
            dy = rng.standard_normal(x.size).astype(np.float32)
            extra = [alpha] * len(options)
            where = f"alpha={alpha}" if options else f"row {row}"
            with np.errstate(all="ignore"):
                yield f"{name}, {where}: y", functions[name](x.copy(), *extra)
                given = truth(x, *extra).astype(np.float32) if second == "y" else x
                yield f"{backward}, {where}: dx", functions[backward](dy.copy(), given, *extra)

    return answers
