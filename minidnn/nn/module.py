"""Modules: the tree of layers that holds parameters and buffers."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator, Mapping
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from minidnn import kernels
from minidnn.nn.parameter import Parameter
from minidnn.nn.regularizers import penalties_of
from minidnn.nn.taking import as_input
from minidnn.reference.types import Array
from minidnn.tensor import Tensor, as_result

if TYPE_CHECKING:
    from minidnn.data.meaning import Meaning

NOTHING = np.zeros((), np.float32)
NOTHING.flags.writeable = False

T = TypeVar("T")


class Module:
    """A part of a model. Subclasses assign parameters and parts as attributes and define ``forward``.

    An attribute that is a `Parameter` is trained; any other `Tensor` is a buffer (saved, not trained); a `Module` is a
    part. Lists, tuples and dicts, also nested, may hold parts and parameters. Nothing is registered: parameters and
    parts are found in the attributes, in the order of assignment.

    A module is called with arrays or Tensors, one per argument of ``forward``. If the parameters are float32, an array
    of float64 (NumPy's default) is converted to float32, and a Tensor of float64 raises a TypeError.

    ``meaning`` describes the inputs and targets of the latest `training.fit`, a `data.Meaning`, or None if unknown.
    With it, frames are read by the names of their columns, and data with another meaning are refused.

    A layer stores each argument of its constructor, except ``rng``, as the attribute of the same name, so that `config`
    can return how to build it again.
    """

    training = True
    frozen = False  # see `minidnn.reuse.freeze`
    name: str | None = None
    meaning: Meaning | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        recorder = kernels.recorder()
        if recorder is not None:
            recorder.assigned(self, name, value)
        object.__setattr__(self, name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Computes the output from one or several inputs: ``forward(self, x)``, ``forward(self, a, b)``."""
        raise TypeError(f"{type(self).__name__}: a Module must define forward(self, x)")

    def __call__(self, *xs: Any) -> Tensor:
        recorder = kernels.recorder()
        if recorder is not None:
            recorder.module(self)
        return self.forward(*[as_input(self, x) for x in xs])

    def __repr__(self) -> str:
        arguments = inspect.signature(type(self).__init__).parameters
        defaults = {name: argument.default for name, argument in arguments.items()}
        shown = [f"{name}={value!r}" for name, value in self.config().items() if _is_other(value, defaults.get(name))]
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def label(self) -> str:
        """Its name in error messages: the class, and ``name`` if it has one."""
        return type(self).__name__ if self.name is None else f"{type(self).__name__} {self.name!r}"

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, as `minidnn.save` writes them: the attributes of the same names.

        Override it in a layer that stores an argument under another name. A file can hold numbers, strings, lists,
        layers and initializers.
        """
        arguments = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in arguments if name != "rng" and hasattr(self, name)}

    # The tree

    def children(self) -> Iterator[tuple[str, Module]]:
        """The direct parts, by name."""
        for name, value in vars(self).items():
            yield from _held(name, value, Module)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all its parts, recursively, by path; the path of this module is empty."""
        yield prefix, self
        for name, child in self.children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and buffer, by path; a shared one appears once."""
        return dict(self._named_tensors())

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, attribute in vars(module).items():
                held = [(name, attribute)] if isinstance(attribute, Tensor) else _held(name, attribute, Parameter)
                for called, value in held:
                    if id(value) not in seen:
                        seen.add(id(value))
                        yield (f"{path}.{called}" if path else called), value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter by path, such as ``hidden1.kernel``; a shared one appears once."""
        return ((path, value) for path, value in self._named_tensors() if isinstance(value, Parameter))

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor that is saved but not trained, by path."""
        return ((path, value) for path, value in self._named_tensors() if not isinstance(value, Parameter))

    def parameters(self) -> list[Parameter]:
        """Every parameter, in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def get_parameter(self, path: str) -> Parameter:
        """The parameter at that path.

        Raises:
            KeyError: there is none; the message lists all paths.
        """
        parameters = dict(self.named_parameters())
        if path not in parameters:
            raise KeyError(f"get_parameter: no parameter {path!r}; there are {', '.join(parameters) or 'none'}")
        return parameters[path]

    def summary(self, *inputs: Any) -> str:
        """A table of layers, output shapes, parameters and bytes; see `minidnn.nn.summary`."""
        from minidnn.nn.summary import summary  # here: a circular import otherwise

        return summary(self, *inputs)

    def _repr_html_(self) -> str:
        from minidnn.nn.summary import as_html

        return as_html(self)

    def regularization_loss(self) -> Tensor:
        """The sum of all penalties: of parameters, and of activations of the latest forward pass in training mode.

        Each call consumes the activation penalties: the next call returns those of the next forward pass.
        """
        penalties = []
        for path, p in self.named_parameters():
            if p.regularizer is not None and p.requires_grad:
                penalties += penalties_of(f"{p.owner or path}_regularizer", p.regularizer, p)
        for _, module in self.named_modules():
            penalties += module.activity_penalties
        forget_penalties(self)
        return reduce(operator.add, penalties) if penalties else as_result(kernels.known(NOTHING, "0"))

    @property
    def is_regularized(self) -> bool:
        """Whether any parameter or activation has a regularizer."""
        of_parameters = any(p.regularizer is not None for p in self.parameters())
        return of_parameters or any(
            getattr(module, "activity_regularizer", None) is not None for _, module in self.named_modules()
        )

    @cached_property
    def activity_penalties(self) -> list[Tensor]:
        """Penalties on activations that `regularization_loss` has not yet collected."""
        return []

    # The mode

    def train(self, mode: bool = True) -> Self:
        """Sets training mode (dropout drops) or, with False, evaluation mode, here and in every part."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Sets evaluation mode."""
        return self.train(False)

    @property
    def learns(self) -> bool:
        """Whether training behaviour, such as dropout, is active: in training mode and not frozen."""
        return self.training and not self.frozen

    # The state

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter and buffer, by path."""
        return {path: tensor.data.copy() for path, tensor in self._named_tensors()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> None:
        """Copies the arrays into the parameters and buffers of the same paths. On an error nothing is changed.

        Args:
            state: arrays by path, as `state_dict` returns them.
            strict: raise for missing and unexpected paths; otherwise load the paths that both have.
            assign: give each tensor a new array instead of copying into its array.

        Raises:
            ValueError: paths, shapes or dtypes do not match; the message lists every mismatch.
        """
        tensors = self.tensors()
        arrays = {path: np.asarray(value) for path, value in state.items() if strict or path in tensors}
        faults = [f"missing {path}" for path in tensors if strict and path not in arrays]
        faults += [f"unexpected {path}" for path in arrays if path not in tensors]
        faults += [
            f"{path} has shape {array.shape}, must have {tensors[path].shape}"
            for path, array in arrays.items()
            if path in tensors and array.shape != tensors[path].shape
        ]
        faults += [
            f"{path} is {array.dtype}, must be numbers"
            for path, array in arrays.items()
            if array.dtype.kind not in "fiub"
        ]
        if faults:
            raise ValueError(f"load_state_dict: {'; '.join(faults)}")
        for path, array in arrays.items():
            if assign:
                tensors[path].data = kernels.aligned_copy(np.asarray(array, tensors[path].dtype, order="C"), place=0)
            else:
                tensors[path].data[...] = array
            tensors[path].version += 1


def _held(name: str, value: Any, kind: type[T]) -> Iterator[tuple[str, T]]:
    """The objects of that kind that an attribute is or contains, by path."""
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _held(f"{name}.{key}", part, kind)


def _is_other(value: Any, default: Any) -> bool:
    """Whether an argument differs from its default. True for arrays, whose comparison returns an array."""
    return value is not default and (isinstance(value, (np.ndarray, Tensor)) or bool(value != default))


def forget_penalties(module: Module) -> None:
    """Drops the activation penalties of earlier forward passes, which keep their graphs in memory."""
    for _, part in module.named_modules():
        part.activity_penalties.clear()
