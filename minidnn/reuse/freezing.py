"""Freezing: layers that training does not change."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from minidnn.nn import Module, Parameter

Target = Module | Parameter | Iterable[Module | Parameter]


def freeze(target: Target, *names: str) -> None:
    """Freezes layers: training does not change them and computes no gradients for them.

    ::

        reuse.freeze(model, "hidden*")          # by name, with * ? [ ] as in a shell
        reuse.freeze(model.layers[:2])          # by depth
        reuse.freeze(model.layers[0])           # by object, which may also be a parameter
        reuse.freeze(model)                     # the whole model

    A frozen layer has no gradients, no slots in an optimizer and no penalties, and its constraint is not applied. The
    backward pass ends at the lowest trained layer. A frozen layer behaves as in evaluation: batch normalization uses
    its running statistics and does not update them, dropout drops nothing. Frozen lower layers are therefore a fixed
    function whose outputs can be cached (`cache_frozen`). A shared parameter is frozen in all layers.

    Freezing affects later steps, including captured ones, but not a graph that is already on the tape. Checkpoints of
    a run keep it; the file of a model (`save`) does not. `Module.load_state_dict` and your own code can still write to
    frozen parameters.

    Args:
        target: a model, a layer, a parameter, or an iterable of them.
        names: parts or parameters of the target, by path (``hidden1``, ``block1.norm``, ``hidden1.kernel``) or pattern;
            without names, the whole target.

    Raises:
        TypeError: target is not a module, a parameter or an iterable of them; a name is not a string.
        ValueError: a name matches nothing; target is empty.
    """
    _set("freeze", target, names, frozen=True)


def unfreeze(target: Target, *names: str) -> None:
    """Reverses `freeze`; takes the same arguments and raises the same errors.

    An optimizer that holds the parameters trains them from the next step on, with new slots.
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
