"""Every public name other than kernels, ops and layers, called with invalid arrays."""

import inspect

import numpy as np
import pytest
from kit.cases_hostile import ROWS
from kit.every_layer import EVERY_LAYER
from kit.hostile import attacks, bits, outcome, plain
from kit.without_arrays import MODULES, WITHOUT

import minidnn
from minidnn import nn, optim

pytestmark = [pytest.mark.compiled, pytest.mark.filterwarnings("ignore::RuntimeWarning")]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_right_answer_or_a_clear_error(row):
    for place, good in enumerate(row.arrays):
        for name, wrong, same in attacks(good):
            if name == "2**62 bytes":
                continue  # NumPy would copy it
            given = [a.copy() for a in row.arrays]
            given[place] = wrong
            before, tidy = [bits(a) for a in given if isinstance(a, np.ndarray)], [plain(a) for a in given]
            minidnn.manual_seed(1)
            kind, value = outcome(row.call, *given)
            if kind == "value" and isinstance(wrong, np.ndarray):
                minidnn.manual_seed(1)
                assert bits(row.call(*tidy)) == bits(value), f"{place}: {name}"
            if kind == "error" and same and name == "read-only":
                assert place in row.written, f"{place}: {name}: {value}"
            after = [bits(a) for a in given if isinstance(a, np.ndarray)]
            if kind == "error" or not row.written:
                assert after == before, f"{place}: {name} changed an argument"


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_row_itself_is_right(row):
    """The valid call works; otherwise each invalid call might be refused for another reason."""
    minidnn.manual_seed(1)
    row.call(*(a.copy() for a in row.arrays))


# The table is complete.


def public():
    """Every public name with its object, without modules and errors, which take no arrays."""
    for path, module in MODULES.items():
        for name in module.__all__:
            value = getattr(module, name)
            if not inspect.ismodule(value) and not (isinstance(value, type) and issubclass(value, Exception)):
                yield f"{path}.{name}".lstrip("."), value


def test_every_public_name_is_in_a_table_or_has_a_reason():
    layers = [type(part) for _, part in nn.Sequential(*EVERY_LAYER).named_modules()]  # by test_hostile.py
    optimizers = [kind for _, kind in public() if isinstance(kind, type) and issubclass(kind, optim.Optimizer)]  # too
    tested = {row.name for row in ROWS} | {name for name, value in public() if value in layers + optimizers}
    known = tested | set(WITHOUT)
    missing = [name for name, _ in public() if name not in known]
    assert not missing, f"no row in tests/kit/cases_hostile.py, no reason in without_arrays.py: {missing}"
    assert not (twice := sorted(set(WITHOUT) & tested)), f"has a row and a reason to have none: {twice}"
    names = {name for name, _ in public()}
    assert not (gone := sorted(name for name in known - names if not name.startswith("kernels."))), (
        f"not public: {gone}"
    )
