"""The two longest exercises: contrastive divergence, and a tape."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidnn import Tensor, kernels, ops
from minidnn.learn.exercise import Answer, Exercise, Functions
from minidnn.learn.mistakes import mistaken
from minidnn.pretraining import RBM, ContrastiveDivergence
from minidnn.random import Generator

TAPE = '''class Value:
    """An array on the tape: data, its gradient, its parents, and a rule that computes their gradients."""

    def __init__(self, data, parents=(), rule=None):
        self.data = np.asarray(data, np.float32)
        self.grad = np.zeros_like(self.data)
        self.parents, self.rule = parents, rule

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), lambda dy: (dy, dy))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), lambda dy: (dy * other.data, dy * self.data))

    def __matmul__(self, other):
        return Value(self.data @ other.data, (self, other), lambda dy: (dy @ other.data.T, self.data.T @ dy))

    def relu(self):
        return Value(np.maximum(self.data, 0), (self,), lambda dy: (np.where(self.data > 0, dy, 0),))

    def sum(self):
        return Value(self.data.sum(), (self,), lambda dy: (np.broadcast_to(dy, self.data.shape),))

    def backward(self):
        order, seen = [], set()

        def visit(value):
            if id(value) not in seen:
                seen.add(id(value))
                for parent in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        self.grad = np.ones_like(self.data)
        for value in reversed(order):
            if value.rule:
                for parent, grad in zip(value.parents, value.rule(value.grad)):
                    parent.grad = parent.grad + grad'''

_BLANK = '''class Value:
    """An array on the tape: data, its gradient, its parents, and a rule that computes their gradients."""

    def __init__(self, data, parents=(), rule=None):
        self.data = np.asarray(data, np.float32)
        self.grad = np.zeros_like(self.data)
        self.parents, self.rule = parents, rule

    def __add__(self, other):
        raise NotImplementedError

    def __mul__(self, other):
        raise NotImplementedError

    def __matmul__(self, other):
        raise NotImplementedError

    def relu(self):
        raise NotImplementedError

    def sum(self):
        raise NotImplementedError

    def backward(self):
        raise NotImplementedError'''

DIVERGENCE = '''def contrastive_divergence(v, kernel, visible_bias, hidden_bias, draw):
    """Returns the gradients of kernel, visible_bias and hidden_bias, summed over the batch."""

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    h = sigmoid(v @ kernel + hidden_bias)
    v1 = sigmoid(draw(h) @ kernel.T + visible_bias)
    h1 = sigmoid(v1 @ kernel + hidden_bias)
    return v1.T @ h1 - v.T @ h, (v1 - v).sum(axis=0), (h1 - h).sum(axis=0)'''


def part_exercises() -> Iterator[Exercise]:
    """Contrastive divergence and the tape."""
    yield Exercise(
        "contrastive_divergence",
        6,
        "One step of contrastive divergence, CD-1 (Hinton 2002), of a restricted Boltzmann machine:\n\n"
        "    h  = sigmoid(v @ kernel + hidden_bias)                 the means of the hidden units\n"
        "    v1 = sigmoid(draw(h) @ kernel.T + visible_bias)        also means; only h is sampled\n"
        "    h1 = sigmoid(v1 @ kernel + hidden_bias)\n\n"
        "    d_kernel = v1.T @ h1 - v.T @ h;  d_visible = sum(v1 - v);  d_hidden = sum(h1 - h)\n\n"
        "draw(p) is given: it returns units that are 1 with probability p.",
        DIVERGENCE,
        "Sample once, from h. The result is a gradient to descend: the model's phase minus the data's phase.",
        _divergence,
        {"contrastive_divergence": _cd},
        mistaken(DIVERGENCE),
        sums=True,
    )
    yield Exercise(
        "tape",
        6,
        "A whole tape in 60 lines: a class Value with +, *, @, relu(), sum() and backward().\n\n"
        "Each operation returns a Value that holds its parents and a rule: given dy, the rule returns a gradient for\n"
        "each parent. backward() starts with a gradient of 1, visits each value after all values computed from it,\n"
        "and adds the results of its rule to the parents' grad. Operands of + and * have the same shape.\n"
        "The results are compared with those of minidnn.Tensor.",
        TAPE,
        "Sort the values first, parents before children (depth first). Then go through the list backwards.",
        _tape,
        {"Value": _on_tensors},
        mistaken(TAPE),
        sums=True,
        blank=_BLANK,
    )


_ONCE = (7, 0, 3)


def _divergence(functions: Functions) -> Iterator[Answer]:
    for rows, visible, hidden in ((1, 4, 3), (20, 12, 7)):
        rng = np.random.default_rng(rows)
        v = (rng.random((rows, visible)) < 0.5).astype(np.float32)
        kernel, a, b = (
            rng.standard_normal(shape).astype(np.float32) for shape in ((visible, hidden), (visible,), (hidden,))
        )
        results = functions["contrastive_divergence"](v, kernel, a, b, lambda p: kernels.bernoulli(p, *_ONCE))
        for name, result in itertools.zip_longest(("d_kernel", "d_visible", "d_hidden"), results or (None,) * 3):
            yield f"contrastive_divergence, {rows} rows: {name}", result


def _cd(v: Any, kernel: Any, visible_bias: Any, hidden_bias: Any, draw: Any) -> Any:
    """The gradients of the package's own objective, with the same draw."""
    rng = Generator(_ONCE[0], _ONCE[1])
    rng.draw = _ONCE[2]
    rbm = RBM(*kernel.shape)
    for parameter, value in ((rbm.kernel, kernel), (rbm.visible_bias, visible_bias), (rbm.hidden_bias, hidden_bias)):
        parameter.data[...] = value
    ContrastiveDivergence(rbm, sample_visible=False, rng=rng)(Tensor(v)).sum().backward()
    return rbm.kernel.grad, rbm.visible_bias.grad, rbm.hidden_bias.grad


class _OnTensors:
    """The exercise's interface, implemented by `minidnn.Tensor`."""

    def __init__(self, data: Any) -> None:
        self._tensor = data if isinstance(data, Tensor) else Tensor(np.asarray(data, np.float32), requires_grad=True)

    @property
    def data(self) -> Any:
        return self._tensor.numpy()

    @property
    def grad(self) -> Any:
        return self._tensor.grad

    def __add__(self, other: _OnTensors) -> _OnTensors:
        return _OnTensors(self._tensor + other._tensor)

    def __mul__(self, other: _OnTensors) -> _OnTensors:
        return _OnTensors(self._tensor * other._tensor)

    def __matmul__(self, other: _OnTensors) -> _OnTensors:
        return _OnTensors(self._tensor @ other._tensor)

    def relu(self) -> _OnTensors:
        return _OnTensors(ops.relu(self._tensor))

    def sum(self) -> _OnTensors:
        return _OnTensors(self._tensor.sum())

    def backward(self) -> None:
        self._tensor.backward()


_on_tensors = _OnTensors


def _tape(functions: Functions) -> Iterator[Answer]:
    value = functions["Value"]
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((4, 4)).astype(np.float32) for _ in range(2))
    expressions: dict[str, Callable[[Any, Any], Any]] = {
        "(a + b).sum()": lambda x, y: (x + y).sum(),
        "(a * b).sum()": lambda x, y: (x * y).sum(),
        "(a @ b).sum()": lambda x, y: (x @ y).sum(),
        "(a @ b).relu().sum()": lambda x, y: (x @ y).relu().sum(),
        "(a * a + a).sum() + b.sum()": lambda x, y: (x * x + x).sum() + y.sum(),
        "h = (a @ b).relu(); (h * h + h @ a).sum()": lambda x, y: _twice(x, y),
    }
    for text, expression in expressions.items():
        x, y = value(a.copy()), value(b.copy())
        result = expression(x, y)
        yield f"Value, {text}: data", result.data
        result.backward()
        yield f"Value, {text}: a.grad", x.grad
        yield f"Value, {text}: b.grad", y.grad


def _twice(x: Any, y: Any) -> Any:
    h = (x @ y).relu()
    return (h * h + h @ x).sum()
