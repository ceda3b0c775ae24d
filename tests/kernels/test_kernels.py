"""Every kernel of the table against its reference, on every instruction set, at 1, 2, 3 and 7 threads."""

import functools
import inspect
import zlib

import numpy as np
import pytest
from kit.cases import KERNELS, NOT_ROUTED
from kit.checks import as_float64, outputs_of
from kit.instruction_sets import ISAS
from kit.rows import SIZES

from minidnn import kernels, reference

pytestmark = pytest.mark.compiled

by_row = pytest.mark.parametrize("row", KERNELS, ids=str)


@functools.cache
def truth(row, size):
    """Arguments, the float32 reference's outputs, the exact outputs, the tolerances."""
    rng = np.random.default_rng(zlib.crc32(f"{row} {size}".encode()))
    arguments, options = row.make(rng, size)
    function = getattr(reference, row.name)
    exact_arguments = tuple(as_float64(a) for a in arguments)
    truths = outputs_of(function, arguments, options, row.mutated)
    exacts = outputs_of(function, exact_arguments, options, row.mutated)
    tolerances = [
        tolerance(*exact_arguments, exact) if callable(tolerance) else tolerance
        for tolerance, exact in zip(row.tolerances, exacts, strict=True)
    ]
    return arguments, options, truths, exacts, tolerances


@by_row
@pytest.mark.parametrize("isa", ISAS)
def test_equals_its_reference_with_the_same_bytes_at_every_thread_count(row, isa):
    kernels.use_isa(isa)
    for size in row.sizes:
        arguments, options, truths, exacts, tolerances = truth(row, size)
        kernels.set_num_threads(1)
        outputs = outputs_of(getattr(kernels, row.name), arguments, options, row.mutated)
        for tolerance, got, truth32, exact in zip(tolerances, outputs, truths, exacts, strict=True):
            tolerance.check(got, truth32, exact)
        alone = [output.tobytes() for output in outputs]
        for threads in (2, 3, 7):
            kernels.set_num_threads(threads)
            assert bytes_of(row, size) == alone, f"{threads} threads"


def bytes_of(row, size):
    arguments, options, *_ = truth(row, size)
    outputs = outputs_of(getattr(kernels, row.name), arguments, options, row.mutated)
    return [output.tobytes() for output in outputs]


@pytest.mark.parametrize("row", [row for row in KERNELS if row.exact], ids=str)
def test_exact_kernels_give_the_same_bytes_on_every_instruction_set(row):
    results = []
    for isa in ISAS:
        kernels.use_isa(isa)
        results.append([bytes_of(row, size) for size in row.sizes])
    assert all(result == results[0] for result in results)


@by_row
def test_arguments_are_left_alone(row):
    size = row.sizes[-1] if row.sizes is not SIZES else 33
    arguments, options, *_ = truth(row, size)
    own = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    getattr(kernels, row.name)(*own, **options)
    for place, (before, now) in enumerate(zip(arguments, own, strict=True)):
        if isinstance(before, np.ndarray) and place not in row.mutated:
            assert before.tobytes() == now.tobytes()


@by_row
def test_an_argument_must_not_be_missing(row):
    arguments, options, *_ = truth(row, row.sizes[1])
    with pytest.raises(TypeError):
        getattr(kernels, row.name)(*arguments[:-1], **options)


# The table is complete.


BY_NUMPY = {
    name
    for name in reference.__all__
    if getattr(reference, name).__module__.rpartition(".")[2] in ("elementwise", "reductions", "shaping")
}
"""Functions without a compiled kernel."""
NUMBERS = {"adafactor_rate", "check_gradients", "clip_factor", "count", "global_norm", "next_draw", "trusted_rate"}
"""Kernels of arrays without axes, see test_numbers.py."""


def test_every_reference_function_has_a_row():
    assert set(reference.__all__) - set(NOT_ROUTED) - BY_NUMPY - NUMBERS == {row.name for row in KERNELS}
    assert set(dir(kernels)) >= BY_NUMPY and not BY_NUMPY & set(dir(kernels._core))


@pytest.mark.parametrize("row", KERNELS, ids=str)
def test_the_signature_marks_changed_arguments(row):
    parameters = list(inspect.signature(getattr(reference, row.name)).parameters.values())
    assert row.mutated == tuple(place for place, p in enumerate(parameters) if p.annotation == "Changed")


def test_every_kernel_has_a_compiled_version_and_a_facade():
    assert {row.name for row in KERNELS} <= set(dir(kernels._core)) & set(dir(kernels))
    compiled = {name for name in dir(kernels._core) if callable(getattr(kernels._core, name)) and name[0] != "_"}
    control = {"isa", "usable_isas", "use_isa", "num_threads", "set_num_threads", "thread_limit", "use_cores"}
    others = {"aligned_copy", "fingerprint", "Engine", "NotFinite", "Program"}
    assert compiled - control - others - NUMBERS == {row.name for row in KERNELS}


def test_rows_have_distinct_names():
    names = [str(row) for row in KERNELS]
    assert len(set(names)) == len(names)
