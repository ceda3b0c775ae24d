"""Modules: what has parameters, and parts that have parameters."""

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
    part. Lists, tuples and dicts, also within each other, may hold parts and parameters. Nothing is registered: the
    attributes are the registry, in the order of assignment.

    A module is called with arrays or Tensors, one for each argument of ``forward``. An array of float64, NumPy's
    default, becomes float32 there, once, where the parameters are float32; a Tensor of float64 is refused.

    ``meaning`` is what the inputs and targets of the latest `training.fit` stood for, a `data.Meaning`, or None where
    nobody said: by it frames are read in any order of their columns, and data of another meaning are refused.

    A layer keeps each argument of its constructor as the attribute of that name (an ``rng`` excepted), so that
    `config` can tell how to build it again.
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
        """What the module computes of its inputs, one or several: ``forward(self, x)``, ``forward(self, a, b)``."""
        raise TypeError(f"{type(self).__name__}: a Module must define forward(self, x)")

    def __call__(self, *xs: Any) -> Tensor:
        recorder = kernels.recorder()
        if recorder is not None:
            recorder.module(self)
        return self.forward(*[as_input(self, x) for x in xs])

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        shown = [
            f"{name}={value!r}" for name, value in self.config().items() if _is_other(value, defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def label(self) -> str:
        """How errors name it: its class, and its name where it has one."""
        return type(self).__name__ if self.name is None else f"{type(self).__name__} {self.name!r}"

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, by name, as `minidnn.save` keeps them: the attributes of these names.

        Override it in a layer that keeps some under other names: numbers, strings, lists, layers and initializers can
        be in a file.
        """
        arguments = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in arguments if name != "rng" and hasattr(self, name)}

    # Its tree

    def children(self) -> Iterator[tuple[str, Module]]:
        """The parts, by name."""
        for name, value in vars(self).items():
            yield from _held(name, value, Module)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and every part of it, by path; the path of the root is empty."""
        yield prefix, self
        for name, child in self.children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and buffer, by path; one that is shared comes once."""
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
        """Every parameter by path, such as ``hidden1.kernel``; one that is shared comes once."""
        return ((path, value) for path, value in self._named_tensors() if isinstance(value, Parameter))

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor that is saved but not trained, by path."""
        return ((path, value) for path, value in self._named_tensors() if not isinstance(value, Parameter))

    def parameters(self) -> list[Parameter]:
        """Every parameter, in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def get_parameter(self, path: str) -> Parameter:
        """The parameter of that path.

        Raises:
            KeyError: there is none; the message lists those that are.
        """
        parameters = dict(self.named_parameters())
        if path not in parameters:
            raise KeyError(f"get_parameter: no parameter {path!r}; there are {', '.join(parameters) or 'none'}")
        return parameters[path]

    def summary(self, *inputs: Any) -> str:
        """A table of layers, output shapes, parameters and bytes; see `minidnn.nn.summary`."""
        from minidnn.nn.summary import summary  # here, for it runs modules

        return summary(self, *inputs)

    def _repr_html_(self) -> str:
        from minidnn.nn.summary import as_html

        return as_html(self)

    def regularization_loss(self) -> Tensor:
        """The sum of all penalties, of parameters and of the activations of the latest forward pass in training mode.

        Activation penalties are handed out once: the next call sees those of the next forward pass.
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
        """Whether `regularization_loss` can be other than 0."""
        of_parameters = any(p.regularizer is not None for p in self.parameters())
        return of_parameters or any(
            getattr(module, "activity_regularizer", None) is not None for _, module in self.named_modules()
        )

    @cached_property
    def activity_penalties(self) -> list[Tensor]:
        """Penalties on activations that `regularization_loss` has not yet collected."""
        return []

    # Its mode

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
        """Whether it does what is done in training alone: in training mode, and not frozen."""
        return self.training and not self.frozen

    # Its state

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter and buffer, by path."""
        return {path: tensor.data.copy() for path, tensor in self._named_tensors()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True, assign: bool = False) -> None:
        """Copies the arrays into the parameters and buffers of the same paths; all of them, or none at an error.

        Args:
            state: arrays by path, as `state_dict` gave them.
            strict: refuse missing and unexpected paths; otherwise load what both sides have.
            assign: give each tensor a new array, rather than copy into the one it has.

        Raises:
            ValueError: paths or shapes do not match; the message lists all that is missing, unexpected or misshapen.
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
    """What of that kind an attribute is or holds, by path."""
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _held(f"{name}.{key}", part, kind)


def _is_other(value: Any, default: Any) -> bool:
    """Whether an argument is to be shown; an array, whose comparison gives an array, always is."""
    return value is not default and (isinstance(value, (np.ndarray, Tensor)) or bool(value != default))


def forget_penalties(module: Module) -> None:
    """Forgets the penalties of forward passes that are over, which hold their graphs."""
    for _, part in module.named_modules():
        part.activity_penalties.clear()
