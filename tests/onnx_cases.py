"""ONNX's own node tests, the result of `from_onnx` for each, and their table in docs/onnx.md.

``python -P tests/onnx_cases.py`` writes the table.
"""

import importlib
import pkgutil
import re
import warnings
from collections import Counter
from functools import cache
from unittest import mock

import numpy as np
import onnx
import onnx.backend.test.case.node as nodes
import onnx.reference.ops.op_pool_common as pooling
from kit import CHECKOUT

from minidnn import convert
from minidnn.convert.onnx.operators import OPERATORS

PAGE = CHECKOUT / "docs" / "onnx.md"
BEGIN, END = "<!-- node tests -->\n", "<!-- end -->\n"

REASONS = {
    r"must be a tensor of float32|is INT8": "another dtype",
    r"is int, must be|is bool, must be": "arithmetic of integers",
    r"to is \d+, must": "another dtype",
    r"training_mode is|output '\w+' is not supported": "training",
    r"min is .*, must be at most max": "min above max",
    r"alpha is .* and beta": "other slopes than PyTorch's 1/6",
    r"zero-size array": "an empty axis",
}
"""Pattern of an error message -> reason in the table."""

SETTINGS = {
    "Clip": (1, 2), "Dropout": (1, 2), "Pad": (1, 2, 3), "Reshape": (1,), "Slice": (1, 2, 3, 4), "Squeeze": (1,),
    "Unsqueeze": (1,), **{f"Reduce{what}": (1,) for what in ("Max", "Mean", "Min", "Sum")},
}  # fmt: skip
"""Inputs that are settings, not data: the importer requires constants, so they become initializers."""

ONLY_FIRST_OUTPUT = {"LayerNormalization": "mean and inverse deviation are outputs for training; inference returns Y"}
OLD = {"Not": 7}
"""Operators whose tests are in an unsupported operator set -> a newer set with the same definition."""


@cache
def everything():
    """Every node test, by name; some divide by 0 while they are built.

    The expected outputs of pooling, which `from_onnx` does not support, are not computed: that takes ONNX seconds.
    """
    with warnings.catch_warnings(), mock.patch.object(pooling, "pool", lambda x, *rest, **options: x):
        warnings.simplefilter("ignore")
        for module in pkgutil.iter_modules(nodes.__path__):
            importlib.import_module(f"{nodes.__name__}.{module.name}")
    return {case.name.removeprefix("test_"): case for case in nodes._NodeTestCases}


def operator_of(case):
    """The operator of a test; None if it runs the expansion of an operator into others."""
    ops = [node.op_type for node in case.model.graph.node]
    return ops[0] if len(ops) == 1 and "_expanded" not in case.name else None


@cache
def claimed():
    """The tests of operators that can be imported."""
    return {name: case for name, case in everything().items() if operator_of(case) in OPERATORS}


def with_settings(case):
    """The model with its settings as initializers, and the remaining inputs."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    (node,) = model.graph.node
    arrays = dict(zip([value.name for value in model.graph.input], case.data_sets[0][0], strict=True))
    for place in SETTINGS.get(node.op_type, ()):
        if place < len(node.input) and node.input[place]:
            name = node.input[place]
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(arrays.pop(name)), name))
            model.graph.input.remove(next(value for value in model.graph.input if value.name == name))
    if node.op_type in ONLY_FIRST_OUTPUT:
        del model.graph.output[1:]
    if node.op_type in OLD:
        model.opset_import[0].version = max(OLD[node.op_type], model.opset_import[0].version)
    return model, list(arrays.values())


def outcome(name):
    """The reason why the test is refused; "" if it is not and the outputs equal ONNX's.

    Raises:
        AssertionError: the outputs differ, or no known reason matches the error.
    """
    case = claimed()[name]
    model, inputs = with_settings(case)
    try:
        y = convert.from_onnx(model)(*inputs)
    except ValueError as error:
        found = [reason for pattern, reason in REASONS.items() if re.search(pattern, str(error))]
        assert found, f"{name}: {error}"
        return found[0]
    outputs = y if isinstance(y, tuple) else (y,)
    for part, expected in zip(outputs, case.data_sets[0][1][: len(outputs)], strict=True):
        assert part.data.dtype == expected.dtype and part.shape == expected.shape, name
        np.testing.assert_allclose(part.data, expected, rtol=1e-5, atol=1e-6, err_msg=name)
    return ""


@cache
def outcomes():
    """The outcome of every test of a claimed operator."""
    return {name: outcome(name) for name in claimed()}


def table():
    """The part of the page between its marks."""
    made = outcomes()
    lines = ["| operator | passed | refused | why |", "|---|---|---|---|"]
    for operator in sorted(OPERATORS):
        own = [made[name] for name, case in claimed().items() if operator_of(case) == operator]
        why = Counter(reason for reason in own if reason)
        reasons = ", ".join(f"{reason} ({n})" for reason, n in sorted(why.items()))
        lines.append(f"| {operator} | {own.count('')} | {sum(why.values())} | {reasons} |")
    passed = list(made.values()).count("")
    others = Counter(operator_of(case) for case in everything().values()) - Counter(dict.fromkeys(OPERATORS, 10**6))
    others.pop(None, None)
    lines.append(f"| {len(OPERATORS)} operators | {passed} | {len(made) - passed} | |")
    left = f"the {sum(others.values())} tests of {len(others)} other operators, {', '.join(sorted(others))}"
    lines += ["", f"Not claimed, and refused by name: {left}."]
    return f"With onnx {onnx.__version__}:\n\n" + "\n".join(lines) + "\n"


def parts():
    """The page before the table, the table, and the page after it."""
    before, rest = PAGE.read_text().split(BEGIN)
    old, after = rest.split(END)
    return before, old, after


if __name__ == "__main__":
    before, _, after = parts()
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}")
