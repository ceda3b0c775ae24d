"""Whether a training step runs only minidnn code, so that its program depends only on what the program compares.

Decided by identity: modules, optimizer, options, regularizers and constraints are instances of the package's classes,
none of their methods is replaced on an instance or in the class, and functions (the loss, activations) belong to the
package.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any

from minidnn.array_access import is_ours
from minidnn.nn import Graph, Module
from minidnn.nn.parameter import Parameter
from minidnn.optim import Optimizer
from minidnn.tensor import Tensor

PLAIN = (type(None), bool, int, float, str, bytes)


def foreign(model: Module, loss: Any, optimizer: Optimizer) -> str | None:
    """Describes the first part of a training step that is not minidnn code; None if there is none."""
    return next(_foreign_parts(model, loss, optimizer), None)


def _foreign_parts(model: Module, loss: Any, optimizer: Optimizer) -> Iterator[str]:
    for path, module in model.named_modules():
        where = path or module.label
        yield from _of_object(f"the layer {where}", module)
        parts = [node.part for node in module.nodes] if isinstance(module, Graph) else []
        for name, value in [*vars(module).items(), *(("a node", part) for part in parts)]:
            if not isinstance(value, (Module, Tensor)):
                yield from _of_value(f"{name} of the layer {where}", value)
    for path, param in model.named_parameters():
        yield from _of_parameter(path, param)
    yield from _of_value("the loss", loss)
    yield from _of_object("the optimizer", optimizer)
    for track in optimizer.tracks():
        yield from _of_value("a constraint", track.constraint)


def _of_parameter(path: str, param: Parameter) -> Iterator[str]:
    if type(param) is not Parameter:
        yield f"the parameter {path} is a {type(param).__name__}"
    yield from _of_value(f"the regularizer of {path}", param.regularizer)
    yield from _of_value(f"the constraint of {path}", param.constraint)


def _of_value(what: str, value: Any) -> Iterator[str]:
    """A function or an object that the step may call."""
    if isinstance(value, partial):
        yield from _of_value(what, value.func)
        for argument in (*value.args, *value.keywords.values()):
            yield from _of_value(f"an argument of {what}", argument)
    elif isinstance(value, types.MethodType):
        yield from _of_value(what, value.__func__)
        yield from _of_object(what, value.__self__)
    elif isinstance(value, (types.FunctionType, type)):
        if not is_ours(value.__module__):
            yield f"{what} is {value.__qualname__}, a function of yours"
    elif isinstance(value, (list, tuple)):
        for part in value:
            if not isinstance(part, (Module, Tensor)):
                yield from _of_value(what, part)
    elif isinstance(value, dict):
        yield from _of_value(what, list(value.values()))
    elif not isinstance(value, PLAIN) and (callable(value) or _extends_ours(type(value))):
        yield from _of_object(what, value)


def _extends_ours(kind: type) -> bool:
    return not is_ours(kind.__module__) and any(is_ours(base.__module__) for base in kind.__mro__)


def _is_foreign(method: Any) -> bool:
    """Whether an attribute of one of the package's classes is a function or descriptor from elsewhere."""
    if isinstance(method, types.FunctionType):
        # @dataclass adds functions of the module dataclasses: __replace__ since Python 3.13.
        return not is_ours(method.__module__) and method.__module__ != dataclasses.__name__
    if isinstance(method, cached_property):
        return _is_foreign(method.func)
    owner = type(method).__module__
    return owner != "builtins" and not is_ours(owner) and (callable(method) or hasattr(method, "__get__"))


def _of_object(what: str, value: Any) -> Iterator[str]:
    """An object whose methods the step calls."""
    kind = type(value)
    if not is_ours(kind.__module__):
        yield f"{what} is a {kind.__qualname__}, a class of yours"
        return
    for base in kind.__mro__:
        for name, method in vars(base).items() if is_ours(base.__module__) else ():
            if _is_foreign(method):
                yield f"{what} has a method of yours, {kind.__qualname__}.{name}"
    for name, own in getattr(value, "__dict__", {}).items():
        if callable(own) and isinstance(getattr(kind, name, None), types.FunctionType):
            yield f"{what} has a method of yours, {name}, set on the instance"
