"""The configuration of a run as texts by name, to compare two runs."""

from __future__ import annotations

import dataclasses
import enum
import inspect
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from minidnn.data import Dataset
from minidnn.nn import Module, Parameter
from minidnn.optim import Optimizer
from minidnn.random import Generator, default_generator
from minidnn.tensor import Tensor
from minidnn.training.run import Callback, Run

Identity = dict[str, str]

LONGEST = 200
"""Maximum number of characters of a value in an error message."""

DEEPEST = 20
"""Maximum nesting depth of a description; deeper values are described by their class."""


def identity(run: Run, **recipe: Any) -> Identity:
    """The configuration of a run: what must be equal for `fit` to resume from a checkpoint.

    ``{"lr": "0.1", "optimizer": "SGD", "optimizer.momentum": "0.9", "model.hidden1.activation": "'relu'", ...}``.
    Numbers are described by value, minidnn's objects by their arguments, user functions by their code, data by a
    checksum (of samples if they are large). Callbacks that only observe are left out.

    Args:
        recipe: other arguments of `fit`, by name.
    """
    found = {"seed": describe(default_generator()), "loss": describe(run.loss_function)}
    if run.rng is not default_generator():
        found["rng"] = describe(run.rng)
    found |= {"batch_size": describe(run.batch_size), "data": describe(run.train), "valid": describe(run.valid)}
    found |= {name: describe(value) for name, value in recipe.items()}
    found |= _of_optimizer(run.optimizer, run.model)
    found |= _of_model(run.model)
    for name, callback in named(run.callbacks).items():
        if not callback.observer:
            found[f"callbacks.{name}"] = type(callback).__name__
            found |= {f"callbacks.{name}.{key}": describe(value) for key, value in arguments_of(callback).items()}
    return found


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The differences: name -> ``NAME is NEW, was OLD``."""
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    return {name: f"{_shown(name)} is {_shown(now.get(name))}, was {_shown(before.get(name))}" for name in names}


def _shown(text: str | None) -> str:
    """A text shortened to `LONGEST` characters, with unprintable characters replaced."""
    text = "absent" if text is None else "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def is_allowed(name: str, allowed: Collection[str]) -> bool:
    """Whether the name is allowed: by itself, by its first parts, or as an option of the optimizer."""
    parts = name.split(".")
    begins = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    return bool(begins & set(allowed)) or (parts[0] == "optimizer" and parts[-1] in allowed)


def named(callbacks: Sequence[Callback]) -> dict[str, Callback]:
    """Callbacks by class name; the second of a class is ``NAME#2``."""
    counts: Counter[str] = Counter()
    found = {}
    for callback in callbacks:
        kind = type(callback).__name__
        counts[kind] += 1
        found[kind if counts[kind] == 1 else f"{kind}#{counts[kind]}"] = callback
    return found


def generators(model: Module) -> dict[str, Generator]:
    """The random generators that are attributes of layers, by path."""
    return {
        f"{path}.{name}": value
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Generator)
    }


def arguments_of(thing: Any) -> dict[str, Any]:
    """The constructor's arguments that are kept as attributes; paths are left out, since they may change."""
    try:
        names = list(inspect.signature(type(thing).__init__).parameters)[1:]
    except (TypeError, ValueError):  # a built-in has no signature
        return {}
    values = {name: getattr(thing, name) for name in names if hasattr(thing, name)}
    return {name: value for name, value in values.items() if not isinstance(value, PurePath)}


def describe(value: Any, depth: int = 0) -> str:
    """A text that is equal in every process for equal values, and differs for different values."""
    inner = partial(describe, depth=depth + 1)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    if depth > DEEPEST:
        return type(value).__name__
    if isinstance(value, Dataset):
        return f"{len(value)} examples with checksum {_digest(repr(value.checksums()))}"
    if isinstance(value, Generator):
        return f"Generator(seed={value.seed}, stream={value.stream})"
    if isinstance(value, (np.ndarray, Tensor)):
        array = np.ascontiguousarray(value.data if isinstance(value, Tensor) else value)
        if array.dtype.hasobject:
            return f"{array.dtype}{array.shape} of {inner(array.tolist())}"
        return f"{array.dtype}{array.shape} with checksum {_digest(array.tobytes())}"
    if isinstance(value, enum.Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, (range, slice, np.dtype)):
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{inner(key)}: {inner(item)}' for key, item in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(inner, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(inner, value)))}}}"
    if callable(value) and (text := _of_function(value, inner)):
        return text
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    else:
        fields = arguments_of(value)
    return f"{type(value).__name__}({', '.join(f'{name}={inner(item)}' for name, item in fields.items())})"


def _of_function(value: Any, inner: Any) -> str | None:
    if isinstance(value, type):
        return value.__qualname__
    if isinstance(value, partial):
        return f"{inner(value.func)} with {inner(value.args)} and {inner(value.keywords)}"
    if isinstance(value, MethodType):
        return f"{inner(value.__func__)} of {inner(value.__self__)}"
    if not isinstance(value, FunctionType):  # a ufunc, a function in C, one in a wrapper such as lru_cache's
        if (wrapped := getattr(value, "__wrapped__", None)) is not None:
            return str(inner(wrapped))
        name: str | None = getattr(value, "__qualname__", getattr(value, "__name__", None))
        owner = getattr(value, "__self__", None)
        return name if owner is None or isinstance(owner, ModuleType) else f"{name} of {inner(owner)}"
    if (value.__module__ or "").startswith("minidnn."):
        return value.__qualname__
    parts = [_of_code(value.__code__) + inner(value.__defaults__)]
    parts[0] += " ".join(inner(cell.cell_contents) for cell in value.__closure__ or () if _is_full(cell))
    parts += [inner(value.__kwdefaults__)] if value.__kwdefaults__ else []
    return f"{value.__qualname__} #{_digest(' '.join(parts))}"


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _of_code(code: CodeType) -> str:
    """The bytecode, names and constants of a function, without its file and line."""
    return f"{code.co_code.hex()} {code.co_names} {' '.join(map(_of_constant, code.co_consts))}"


def _of_constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _of_code(value)
    if isinstance(value, frozenset):  # of ``x in {"a", "b"}``; its order differs between processes
        return f"frozenset({sorted(map(_of_constant, value))})"
    return repr(value)


def _digest(content: str | bytes) -> str:
    import hashlib  # slow to import

    content = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    return hashlib.sha256(content).hexdigest()[:8]


def _of_optimizer(optimizer: Optimizer, model: Module) -> Identity:
    found = {"optimizer": type(optimizer).__name__}
    for name, value in vars(optimizer).items():  # options that no group has, such as nesterov
        if name != "steps" and isinstance(value, (bool, int, float, str, FunctionType)):
            found[f"optimizer.{name.lstrip('_')}"] = describe(value)
    paths = {id(tensor): path for path, tensor in model.tensors().items()}
    for place, group in enumerate(optimizer.groups):
        suffix = f".{place}" if place else ""
        found[f"lr{suffix}"] = describe(group.lr)
        names = " ".join(paths.get(id(track.param), "?") for track in group.tracks)
        found[f"optimizer{suffix}.params"] = f"{len(group.tracks)} with names of checksum {_digest(names)}"
        found |= {f"optimizer{suffix}.{name}": describe(value) for name, value in group.options.items()}
    return found


def _of_model(model: Module) -> Identity:
    found: Identity = {}
    for path, module in model.named_modules():
        here = f"model.{path}" if path else "model"
        found[here] = type(module).__name__
        for name, value in arguments_of(module).items():
            if not (name == "rng" or _has_parts(value)):
                found[f"{here}.{name}"] = describe(value)
        for name, value in vars(module).items():
            if isinstance(value, Parameter):
                found[f"{here}.{name}"] = _of_parameter(value)
    return found | {f"model.{path}": describe(generator) for path, generator in generators(model).items()}


def _has_parts(value: Any) -> bool:
    return isinstance(value, (Module, Parameter)) or (
        isinstance(value, (list, tuple)) and any(isinstance(item, Module) for item in value)
    )


def _of_parameter(parameter: Parameter) -> str:
    parts = [f"{parameter.dtype}{parameter.shape}"]
    parts += [describe(part) for part in (parameter.regularizer, parameter.constraint) if part is not None]
    return " ".join(parts)
