"""Freezing: layers that training leaves as they are."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from minidnn.nn import Module, Parameter

Target = Module | Parameter | Iterable[Module | Parameter]


def freeze(target: Target, *names: str) -> None:
    """Freezes layers: training does no work for them and changes no byte of them.

    ::

        reuse.freeze(model, "hidden*")          # by name, with * ? [ ] as in a shell
        reuse.freeze(model.layers[:2])          # by depth
        reuse.freeze(model.layers[0])           # by object; a parameter can be frozen alone
        reuse.freeze(model)                     # all of it

    A frozen layer has no gradients (below the lowest layer that is trained, nothing goes back at all), no slots in an
    optimizer and no constraint restored, and its penalties are left out. It does what it does in evaluation: batch
    normalization uses its running statistics and leaves them as they are, dropout drops nothing, so that a frozen part
    is one fixed function whose outputs can be kept (`cache_frozen`). A parameter that several layers share is frozen in
    all of them.

    It holds for steps to come, captured ones included; a step that was recorded on the tape already goes on as it was.
    Checkpoints of a run keep it; the file of a model (`save`) does not. What `Module.load_state_dict` or code of one's
    own writes is written.

    Args:
        target: a model, a layer, a parameter, or several of them.
        names: which parts or parameters of the target, by path (``hidden1``, ``block1.norm``, ``hidden1.kernel``) or
            pattern; without names, all of it.

    Raises:
        TypeError: a target that is no module, parameter or several of them, a name that is not a string.
        ValueError: a name that fits nothing, no target at all.
    """
    _set("freeze", target, names, frozen=True)


def unfreeze(target: Target, *names: str) -> None:
    """Thaws what `freeze` froze: the same ways to say what, the same errors.

    Where an optimizer holds the parameters they are trained from the next step on, with slots as new.
    """
    _set("unfreeze", target, names, frozen=False)


def _set(op: str, target: Target, names: tuple[str, ...], frozen: bool) -> None:
    targets = _as_list(op, target)
    chosen = _named(op, targets, names) if names else targets
    for part in chosen:
        for module in [module for _, module in part.named_modules()] if isinstance(part, Module) else []:
            module.frozen = frozen
        for param in part.parameters() if isinstance(part, Module) else [part]:
            param.requires_grad = not frozen
            if frozen:
                param.grad = None


def _as_list(op: str, target: Target) -> list[Module | Parameter]:
    if isinstance(target, (Module, Parameter)) or not isinstance(target, Iterable):
        parts = [target]
    else:
        parts = list(target)
    for part in parts:
        if not isinstance(part, (Module, Parameter)):
            raise TypeError(f"{op}: takes modules and parameters, got {type(part).__name__}")
    if not parts:
        raise ValueError(f"{op}: there is nothing in the list of layers")
    return parts


def _named(op: str, targets: list[Module | Parameter], names: tuple[str, ...]) -> list[Module | Parameter]:
    parts: dict[str, list[Module | Parameter]] = {}
    for target in targets:
        if isinstance(target, Module):
            named: list[tuple[str, Module | Parameter]] = [*target.named_modules(), *target.named_parameters()]
            for path, part in named:
                parts.setdefault(path or target.name or "", []).append(part)
    found: list[Module | Parameter] = []
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{op}: names must be strings, got {type(name).__name__}")
        fitting = [part for path, several in parts.items() if fnmatchcase(path, name) for part in several]
        if not fitting:
            raise ValueError(f"{op}: nothing is called {name!r}; there are {', '.join(filter(None, parts))}")
        found += fitting
    return found
