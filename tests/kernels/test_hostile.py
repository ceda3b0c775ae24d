"""Every function that takes arrays, with invalid arrays of every kind: the right result or a clear error, no crash."""

import itertools
import zlib

import numpy as np
import pytest
from kit.cases import KERNELS
from kit.every_layer import EVERY_LAYER
from kit.hostile import attacks, bits, outcome, plain
from kit.rows_of_ops import OPS

import minidnn
from minidnn import Tensor, data, kernels, nn, ops, optim, pipeline
from minidnn.pipeline import _pipeline

pytestmark = [pytest.mark.compiled, pytest.mark.filterwarnings("ignore::RuntimeWarning")]

SMALL = 3


def arguments_of(row):
    """Small ones, none empty."""
    size = SMALL if not isinstance(row.sizes[0], tuple) else (SMALL, 4, 5, 6)[: len(row.sizes[0])]
    return row.make(np.random.default_rng(zlib.crc32(str(row).encode())), size)


def copies(arguments):
    return [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]


@pytest.mark.parametrize("row", KERNELS, ids=str)
def test_kernels(row):
    """The compiled functions, called directly."""
    arguments, options = arguments_of(row)
    kernel = getattr(kernels._core, row.name)
    for place, argument in enumerate(arguments):
        if not isinstance(argument, np.ndarray):
            continue
        for name, wrong, same in attacks(argument):
            given = copies(arguments)
            given[place] = wrong
            before = [bits(a) if isinstance(a, np.ndarray) and a.size < 2**20 else None for a in given]
            tidy = [plain(a) for a in given] if same or isinstance(wrong, np.ndarray) else None
            kind, value = outcome(kernel, *given, **options)
            if kind == "error":
                text = str(value)
                assert row.name in text or isinstance(value, MemoryError), f"{place}: {name}: {text}"
                untouched = range(len(given))
            else:
                assert tidy is not None, f"{place}: {name} was taken"
                assert bits(kernel(*tidy, **options)) == bits(value), f"{place}: {name}"
                untouched = [i for i in range(len(given)) if i not in row.mutated]
                for i in row.mutated:  # the argument itself was changed, not a copy of it
                    assert bits(plain(given[i])) == bits(tidy[i]), f"{place}: {name}"
            for i in untouched:
                if before[i] is not None:
                    assert bits(given[i]) == before[i], f"{place}: {name} changed argument {i}"


@pytest.mark.parametrize("row", [row for row in KERNELS if row.mutated], ids=str)
def test_outputs_must_not_overlap_inputs(row):
    arguments, options = arguments_of(row)
    places = [i for i, a in enumerate(arguments) if isinstance(a, np.ndarray)]
    for i in row.mutated:
        for j in places:
            if i == j:
                continue
            shared = np.ones(2 * SMALL, np.float32)
            given = copies(arguments)
            given[i], given[j] = shared[:SMALL], shared[SMALL - 1 : 2 * SMALL - 1]
            with pytest.raises(ValueError, match=f"{row.name}: .* overlap in memory"):
                getattr(kernels._core, row.name)(*given, **options)
            assert (shared == 1).all()


HOW_MANY = {("random_bits", 0), ("random_normal", 0), ("embedding_bag_backward", 5)}
"""Arguments that determine the size of the result."""

NUMBERS = [float("nan"), float("inf"), -1, 0, 2**31, 2**63, 2**64, 10**400, True, None, "1", 1 + 2j, [1], object()]


@pytest.mark.parametrize("row", KERNELS, ids=str)
def test_numbers_beside_the_arrays(row):
    arguments, options = arguments_of(row)
    kernel = getattr(kernels._core, row.name)
    for number in NUMBERS:
        for place, argument in enumerate(arguments):
            if not isinstance(argument, np.ndarray):
                if (row.name, place) in HOW_MANY and number == 2**31:
                    continue  # it would allocate that much
                given = copies(arguments)
                given[place] = number
                outcome(kernel, *given, **options)
        for name in options:
            outcome(kernel, *copies(arguments), **(options | {name: number}))


LABELS = {
    "negative": np.array([0, -1, 2]),
    "the lowest": np.array([0, np.iinfo(np.int64).min, 2]),
    "too large": np.array([0, 4, 2]),
    "the largest": np.array([0, np.iinfo(np.int64).max, 2]),
    "unsigned, beyond int64": np.array([0, 2**63 + 1, 2], np.uint64),
    "floats": np.array([0.0, 1.0, 2.0]),
    "bool": np.array([True, False, True]),
    "one too few": np.array([0, 1]),
    "one too many": np.array([0, 1, 2, 3]),
    "a column": np.array([[0], [1], [2]]),
    "a number": np.array(1),
    "objects": np.array([0, 1, None]),
    "strings": np.array(["0", "1", "2"]),
    "NaN": np.array([0, np.nan, 2]),
    "nothing": np.array([], np.int64),
    "None": None,
}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize(
    "loss",
    [ops.softmax_cross_entropy, nn.softmax_cross_entropy, nn.multiclass_hinge, nn.accuracy],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_labels(loss, name, backend):
    logits = Tensor(np.ones((3, 4), np.float32), requires_grad=True)
    with minidnn.use_backend(backend), pytest.raises((TypeError, ValueError)) as error:
        loss(logits, LABELS[name])
    assert loss.__name__ in str(error.value) or "label" in str(error.value)


@pytest.mark.parametrize("dtype", ["i1", "u1", ">i2", "<i4", ">i8", "u8"])
def test_labels_of_every_integer_type(dtype):
    logits = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = nn.softmax_cross_entropy(Tensor(logits), np.array([3, 0, 1])).item()
    labels = np.repeat(np.array([3, 0, 1], dtype), 2)[::2]
    assert nn.softmax_cross_entropy(Tensor(logits), labels).item() == expected


@pytest.mark.parametrize("row", OPS, ids=str)
def test_ops(row):
    """Forward and backward, with one invalid operand."""
    inputs = [np.asarray(a, np.float32) for a in row.inputs]

    def both(*arrays):
        tensors = [
            Tensor(a, requires_grad=True) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in arrays
        ]
        y = row(*tensors)
        y = y[0] if isinstance(y, tuple) else y
        if y.requires_grad and y.size < 2**20:
            y.backward(np.ones(y.shape, y.dtype))
        return [y, *(t.grad for t in tensors if isinstance(t, Tensor))]

    for place, operand in enumerate(inputs):
        for name, wrong, _ in attacks(operand):
            if name == "a list" and row.options:
                continue  # the row reads its dtype
            if name == "2**62 bytes" or isinstance(wrong, (str, type(None))) or type(wrong) is object:
                continue  # NumPy would convert them; as operands Python handles them
            given = [a.copy() for a in inputs]
            given[place] = wrong
            kind, value = outcome(both, *given)
            if kind == "value" and isinstance(wrong, np.ndarray):
                expected = both(*[plain(a) for a in given])
                for got, want in zip(value, expected, strict=True):
                    if want is None:
                        continue
                    got, want = (np.asarray(getattr(v, "data", v) if isinstance(v, Tensor) else v) for v in (got, want))
                    assert got.shape == want.shape, f"{place}: {name}"
                    if want.dtype.kind in "fiub":
                        assert np.allclose(got, want, rtol=1e-5, atol=1e-6, equal_nan=True), f"{place}: {name}"


@pytest.mark.parametrize("layer", EVERY_LAYER, ids=lambda layer: repr(layer)[:40])
def test_layers(layer):
    x = np.random.default_rng(3).standard_normal((4, 6)).astype(np.float32)
    minidnn.manual_seed(5)
    layer.eval()
    for name, wrong, _ in attacks(x):
        if name == "2**62 bytes":
            continue
        kind, value = outcome(layer, wrong)
        if kind == "value" and isinstance(wrong, np.ndarray):
            assert bits(plain(value.data)) == bits(layer(plain(wrong))), name


OPTIMIZERS = {name: getattr(optim, name) for name in optim.__all__ if isinstance(getattr(optim, name), type)}
OPTIMIZERS["SGD"] = lambda params: optim.SGD(params, 0.1, momentum=0.9)
OPTIMIZERS["LARS"] = lambda params: optim.LARS(params, 0.1)
del OPTIMIZERS["Optimizer"]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_gradients_that_do_not_fit(make):
    """A gradient set by the user: the update of a plain copy, or an error that changes neither parameter nor slots."""
    grad = np.random.default_rng(4).standard_normal((3, 4)).astype(np.float32)

    def step(grad):
        param = nn.Parameter(np.ones((3, 4), np.float32))
        optimizer = make([param])
        before = bits([param, *optimizer.tracks()[0].slots.values()])
        param.grad = grad
        kind, value = outcome(optimizer.step)
        after = bits([param, *optimizer.tracks()[0].slots.values()])
        assert kind == "value" or after == before
        return kind, value, after

    for name, wrong, _ in attacks(grad):
        if not isinstance(wrong, np.ndarray):
            continue  # None is no gradient; the attribute is an array, by its type
        kind, _, after = step(wrong)
        if kind == "value":
            assert after == step(plain(wrong))[2], name


def loops():
    """(name, function, its arrays)."""
    rng = np.random.default_rng(6)
    examples, floats = rng.integers(0, 256, (5, 3), dtype=np.uint8), rng.random((5, 3), np.float32)
    order, labels = np.array([4, 0, 2]), np.array([1, 0, 2, 1, 3])
    images, maps = rng.random((2, 4, 3, 1), np.float32), rng.random((2, 2, 3), np.float32)
    fields = rng.random((2, 2, 4, 3), np.float32)
    both = {
        "gather bytes": ("gather_bytes", (examples, order)),
        "gather floats": ("gather_floats", (floats, order)),
        "gather labels": ("gather_labels", (labels, order)),
        "largest": ("is_largest", (floats, labels[:5] % 3)),
        "bits of examples": ("example_bits", (order, 3, 1, 2, 3, 4)),
        "resample": ("resample", (images, maps, fields, 0.5)),
        "permutation": ("permutation", (5, 1, 2, 3)),
    }
    yield from ((name, getattr(_pipeline, function), arrays) for name, (function, arrays) in both.items())
    yield "a data set", lambda x, y: (data.ArrayDataset(x, y).images, data.ArrayDataset(x, y).y), (examples, labels)
    yield "clipping", lambda *grads: _clipped(optim.clip_by_norm, grads), (floats,)


def _clipped(clip, grads):
    params = [nn.Parameter(np.zeros(np.shape(grad), np.float32)) for grad in grads]
    for param, grad in zip(params, grads, strict=True):
        param.grad = grad
    clip(params, 1.0)
    return [param.grad for param in params]


@pytest.mark.parametrize(
    ("name", "function", "arguments"), list(loops()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_loops_over_examples(name, function, arguments):
    for place, argument in enumerate(arguments):
        changed = attacks(argument) if isinstance(argument, np.ndarray) else ((str(n), n, False) for n in NUMBERS)
        for kind_of_attack, wrong, _ in changed:
            if kind_of_attack == "2**62 bytes" or (name == "permutation" and wrong == 2**31):
                continue
            given = copies(arguments)
            given[place] = wrong
            tidy = [plain(a) for a in given]
            kind, value = outcome(function, *given)
            if kind == "value" and isinstance(wrong, np.ndarray):
                assert bits(value) == bits(function(*tidy)), f"{place}: {kind_of_attack}"


@pytest.mark.parametrize("places", [[-1], [5], [2**62], [-(2**63)], [0, 1, 5]])
def test_places_out_of_range(places):
    order = np.array(places)
    examples = np.ones((5, 3), np.uint8)
    for function, array in itertools.chain(
        ((pipeline.gather, examples), (pipeline.gather, examples.astype(np.float32))),
        ((pipeline.gather_labels, np.arange(5)),),
    ):
        with pytest.raises(IndexError, match=r"must be in \[0, 5\)"):
            function(array, order)
    with pytest.raises(IndexError):
        ops.gather(Tensor(np.ones(5, np.float32)), abs(order[-1:]) + 4, 0)


def test_weights_of_any_kind_are_loaded_whole_or_not_at_all():
    model = nn.Sequential(nn.Dense(3, 2), nn.Dense(2, 2))
    before = bits(list(model.state_dict().values()))
    for name, wrong, _ in attacks(np.ones((2, 2), np.float32)):
        kind, _ = outcome(model.load_state_dict, model.state_dict() | {"1.kernel": wrong})
        if kind == "error":
            assert bits(list(model.state_dict().values())) == before, name
        model.load_state_dict({**model.state_dict(), "1.kernel": np.zeros((2, 2))})
        before = bits(list(model.state_dict().values()))
