"""What a program depends on besides memory, compared before each replay: attributes of modules, options of optimizers,
and what the Python code of the step reads (closures, globals, defaults, attributes of objects)."""

from __future__ import annotations

import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from minidnn.array_access import is_ours
from minidnn.nn.module import Module
from minidnn.nn.parameter import Parameter
from minidnn.optim.groups import Group, Track
from minidnn.optim.optimizer import Optimizer
from minidnn.random import Generator
from minidnn.tensor import Tensor

LARGEST = 1000
"""Containers and arrays with more entries are compared by identity."""
DEEPEST = 6
"""The maximum number of references that are followed from the step."""
_PENALTIES = "activity_penalties"  # each step fills and empties this list


_KNOWN_OTHERWISE = (Generator, Group, Optimizer, Track)


class Same:
    """Equal only to one object: comparing by element would miss a replaced array with equal numbers."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return other is self.value


class SameNumbers:
    """Equal to one array as long as its numbers are unchanged."""

    __slots__ = ("content", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: np.ndarray[Any, Any]) -> None:
        self.value, self.content = value, value.tobytes()

    def __eq__(self, other: object) -> bool:
        return other is self.value and self.value.tobytes() == self.content


class SamePartial:
    """Equal to one ``functools.partial`` as long as its arguments are unchanged."""

    __slots__ = ("arguments", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: partial[Any]) -> None:
        self.value, self.arguments = value, frozen([value.args, value.keywords])

    def __eq__(self, other: object) -> bool:
        return other is self.value and bool(self.arguments == [self.value.args, self.value.keywords])


def frozen(value: Any, numbers: bool = True) -> Any:
    """Returns what a value is compared with later. Containers are copied, and numbers of small arrays if ``numbers``
    (False for memory of the program). Any other value is kept as it is."""
    if numbers and isinstance(value, np.ndarray) and value.size <= LARGEST and value.dtype != object:
        return SameNumbers(value)
    if isinstance(value, (Tensor, np.ndarray)):
        # A comparison of larger arrays raises, which `holds` takes as a change.
        return Same(value) if value.size <= 1 else value
    if isinstance(value, dict) and len(value) <= LARGEST:
        return {key: frozen(part, numbers) for key, part in value.items()}
    if type(value) in (list, tuple) and len(value) <= LARGEST:
        return type(value)(frozen(part, numbers) for part in value)
    if type(value) in (set, deque) and len(value) <= LARGEST:
        return type(value)(value)
    if isinstance(value, partial):
        return SamePartial(value)
    return value


class Watch:
    """Remembers values, and checks whether they are unchanged."""

    def __init__(self) -> None:
        self._dicts: list[tuple[str, Any, Any]] = []  # owner, the mapping as it was, the mapping
        self._chosen: list[Any] = []  # owner, names, the entries as they were, their getter, the mapping
        self._values: list[tuple[str, Any, Callable[[], Any]]] = []
        self._tensors: list[tuple[Tensor, Any, bool]] = []
        self._parameters: list[tuple[Parameter, Any, Any]] = []
        self._generators: list[tuple[str, Any, Callable[[], Any]]] = []
        self._memory: set[str] = set()  # owners of arrays that are memory of the program
        self._seen: set[tuple[int, str]] = set()
        self._kept: list[Any] = []

    # Remembering

    def module(self, module: Module) -> None:
        """Watches the attributes of a module and its parts, and the code of those that are not from this package."""
        for _, part in module.named_modules():
            if self._is_new(part):
                object.__setattr__(part, "training", part.training)
                part.activity_penalties.clear()  # creates the list, and drops the penalties of an earlier pass
                now, what = vars(part), _located(part)
                self._dicts.append((what, _as_it_is(now), now))
                self._reached(what, now.values(), 1)
                self._methods(what, type(part), 1)
                self._patched(type(part), ("forward", "apply", "__call__", "regularization_loss"))

    def tensor(self, tensor: Tensor) -> None:
        """Watches which array a tensor holds that is kept beyond the step."""
        if self._is_new(tensor):
            self._tensors.append((tensor, tensor._data, tensor.requires_grad))
            if isinstance(tensor, Parameter):
                self._parameters.append((tensor, tensor.regularizer, tensor.constraint))
                for owned in (tensor.regularizer, tensor.constraint):
                    self._object("a regularizer or constraint", owned, 1)

    def state(self, what: str, thing: Any) -> None:
        """Watches the attributes of an object whose arrays are memory of the program."""
        if self._is_new(thing):
            self._memory.add(what)
            self._dicts.append((what, _as_it_is(vars(thing), numbers=False), vars(thing)))

    def value(self, what: str, get: Callable[[], Any]) -> None:
        """Watches the value that a function returns."""
        now = get()
        self._values.append((what, frozen(now), get))
        self._object(what, now, 1)

    def function(self, what: str, function: Any, depth: int = 1) -> None:
        """Watches what a function outside of the package reads: its closure, globals and defaults."""
        function = getattr(function, "__func__", function)
        if not isinstance(function, types.FunctionType) or is_ours(function.__module__) or not self._is_new(function):
            return
        what = f"{what} ({function.__code__.co_filename}:{function.__code__.co_firstlineno})"
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._values.append((f"{name} in {what}", frozen(_content(cell)), partial(_content, cell)))
            self._object(f"{name} in {what}", _content(cell), depth + 1)
        names = sorted(name for name in _names(function.__code__) if name in function.__globals__)
        self._entries(what, function.__globals__, names)
        for name in names:
            value = function.__globals__[name]
            if isinstance(value, types.ModuleType):
                self._module_of_users(value, function.__code__, depth)
            else:
                self._object(f"{name} in {what}", value, depth + 1)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            if isinstance(default, (list, dict, set)):
                self._values.append((f"a default of {what}", frozen(default), partial(_itself, default)))
            self._object(f"a default of {what}", default, depth + 1)

    def _module_of_users(self, module: types.ModuleType, code: types.CodeType, depth: int) -> None:
        """Watches what code may read of a module outside of this package, the standard library and NumPy."""
        root = module.__name__.partition(".")[0]
        if is_ours(module.__name__) or root in sys.stdlib_module_names or root == "numpy":
            return
        names = sorted(name for name in _names(code) if name in vars(module))
        self._entries(module.__name__, vars(module), names)
        for name in names:
            self._object(f"{module.__name__}.{name}", vars(module)[name], depth + 1)

    def _entries(self, what: str, mapping: Any, names: Iterable[str]) -> None:
        """Watches some entries of a mapping, such as the globals that a function reads."""
        names = tuple(names)
        if names:
            get = itemgetter(*names, names[0])  # the repeated name makes it return a tuple for one name too
            self._chosen.append((what, names, frozen(get(mapping)), get, mapping))

    def _object(self, what: str, thing: Any, depth: int) -> None:
        """Watches what the step can reach through a value."""
        if depth > DEEPEST or isinstance(thing, (type(None), bool, int, float, str, bytes, np.ndarray, Tensor)):
            return
        if isinstance(thing, Module):
            self.module(thing)
        elif isinstance(thing, Optimizer):
            if self._is_new(thing, "options"):
                self._values.append(
                    ("the options of an optimizer", frozen(_settings(thing)), partial(_settings, thing))
                )
        elif isinstance(thing, (np.random.Generator, np.random.RandomState)):
            if self._is_new(thing):
                self._generators.append((what, numpy_state(thing), partial(numpy_state, thing)))
        elif isinstance(thing, random.Random):
            if self._is_new(thing):
                self._generators.append((what, thing.getstate(), thing.getstate))
        elif isinstance(thing, (dict, list, tuple, set, deque)):
            if len(thing) <= LARGEST and self._is_new(thing):
                self._reached(what, thing.values() if isinstance(thing, dict) else thing, depth + 1)
        elif isinstance(thing, partial):
            self._reached(what, (thing.func, *thing.args, *thing.keywords.values()), depth + 1)
        elif isinstance(thing, (types.FunctionType, types.MethodType)):
            self.function(getattr(thing, "__name__", what), thing, depth)
            self._object(what, getattr(thing, "__self__", None), depth + 1)
        elif isinstance(thing, types.BuiltinMethodType):
            self._object(what, thing.__self__, depth + 1)
        elif isinstance(thing, type):
            self._methods(thing.__name__, thing, depth + 1)
        elif _has_attributes(thing) and self._is_new(thing):
            self._dicts.append((what, _as_it_is(vars(thing)), vars(thing)))
            self._reached(what, vars(thing).values(), depth + 1)
            self._methods(what, type(thing), depth + 1)

    def _reached(self, what: str, values: Any, depth: int) -> None:
        for value in list(values):
            self._object(what, value, depth)

    def _methods(self, what: str, kind: type, depth: int) -> None:
        """Watches the methods and class attributes of classes outside of this package."""
        for base in kind.__mro__:
            if base.__module__ == "builtins" or is_ours(base.__module__) or not self._is_new(base):
                continue
            names = [name for name in vars(base) if name[:2] != "__" or name == "__call__"]
            self._entries(f"the class of {what}", vars(base), names)
            self._reached(what, [vars(base)[name] for name in names], depth + 1)
            for method in vars(base).values():
                self.function(what, getattr(method, "__func__", getattr(method, "fget", method)), depth)

    def _patched(self, kind: type, names: tuple[str, ...]) -> None:
        """Watches methods of the package's classes, which the user may replace."""
        for base in kind.__mro__:
            if is_ours(base.__module__) and self._is_new(base, "methods"):
                self._entries(base.__name__, vars(base), [name for name in names if name in vars(base)])

    def optimizer(self, optimizer: Optimizer) -> None:
        """Watches the attributes of an optimizer, and its code if it is not from this package."""
        what = type(optimizer).__name__
        self.state(what, optimizer)
        self._methods(what, type(optimizer), 1)
        self._patched(type(optimizer), ("step", "update", "zero_grad"))

    def _is_new(self, thing: Any, part: str = "") -> bool:
        if (id(thing), part) in self._seen:
            return False
        self._seen.add((id(thing), part))
        self._kept.append(thing)
        return True

    def reached(self, what: str, thing: Any) -> None:
        """Watches what the step can reach through a value: functions, objects, containers."""
        self._object(what, thing, 1)

    # Comparing

    def holds(self) -> bool:
        """Whether nothing has changed."""
        try:
            for tensor, data, needs in self._tensors:
                if tensor._data is not data or tensor.requires_grad is not needs:
                    return False
            for param, regularizer, constraint in self._parameters:
                if param.regularizer is not regularizer or param.constraint is not constraint:
                    return False
            for _, before, now in self._dicts:
                if before != now:
                    return False
            for _, _, before, choose, mapping in self._chosen:
                if before != choose(mapping):
                    return False
            for _, before, get in self._values:
                if [before] != [get()]:  # lists compare by identity first
                    return False
        except Exception:  # values that cannot be compared count as changed
            return False
        return True

    def changes(self) -> Iterator[str]:
        """The names of what has changed, except lists that only grew at their end."""
        for what, before, now in self._dicts:
            for name in before.keys() | now.keys():
                if name not in before or name not in now or not _continues(before[name], now[name]):
                    yield f"{what}.{name}"
        for what, names, values, _, mapping in self._chosen:
            for name, before in zip(names, values, strict=False):
                if name not in mapping or not _continues(before, mapping[name]):
                    yield f"{name} in {what}"
        for what, before, get in self._values:
            if not _continues(before, get()):
                yield what

    def renew(self) -> None:
        """Remembers the present values."""
        self._dicts = [(what, _as_it_is(now, what not in self._memory), now) for what, _, now in self._dicts]
        self._chosen = [(*some, frozen(get(mapping)), get, mapping) for *some, _, get, mapping in self._chosen]
        self._values = [(what, frozen(get()), get) for what, _, get in self._values]

    def draws(self) -> Iterator[str]:
        """The random generators of NumPy and Python that have drawn since they were remembered."""
        return (what for what, before, state in self._generators if before != state())


def _settings(optimizer: Optimizer) -> list[Any]:
    return [(group.options, [track.constraint for track in group.tracks]) for group in optimizer.groups]


def _located(module: Module) -> str:
    """The label of a module, with the file and line of its ``forward`` if it is not from this package."""
    code = getattr(type(module).forward, "__code__", None)
    if code is None or is_ours(type(module).__module__):
        return module.label
    return f"{module.label} ({code.co_filename}:{code.co_firstlineno})"


def _as_it_is(attributes: dict[str, Any], numbers: bool = True) -> dict[str, Any]:
    """Returns what attributes are compared with later."""
    before: dict[str, Any] = frozen(attributes, numbers)
    return before | {_PENALTIES: attributes[_PENALTIES]} if _PENALTIES in attributes else before


def _has_attributes(thing: Any) -> bool:
    known = isinstance(thing, (types.ModuleType, *_KNOWN_OTHERWISE))
    return not known and isinstance(getattr(thing, "__dict__", None), dict)


def _continues(before: Any, now: Any) -> bool:
    """Whether a value is unchanged, or is a list that only grew at its end."""
    try:
        if before is now or before == now:
            return True
        return type(before) is type(now) is list and len(before) < len(now) and before == now[: len(before)]
    except Exception:
        return False


def _itself(value: Any) -> Any:
    return value


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def _names(code: types.CodeType) -> set[str]:
    """The global names that code, and the functions within it, may read."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*(_names(part) for part in inner))


def numpy_state(generator: Any) -> Any:
    """The state of a NumPy random generator in a form that can be compared."""
    if isinstance(generator, np.random.Generator):
        return str(generator.bit_generator.state)
    kind, words, *rest = generator.get_state()
    return kind, words.tobytes(), rest
