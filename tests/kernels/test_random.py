"""Random numbers: known answers, statistics, and states."""

import math
import statistics

import numpy as np
import pytest
from kit.instruction_sets import ISAS

import minidnn
from minidnn import Generator, kernels, reference
from minidnn.pipeline import _pipeline
from minidnn.pipeline import reference as reference_pipeline
from minidnn.reference.random import philox

# Random123's kat_vectors for philox4x32-10: counter, key, result.
KNOWN = [
    ([0, 0, 0, 0], (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        (0xA4093822, 0x299F31D0),
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
@pytest.mark.parametrize("function", [philox, _pipeline.philox, reference_pipeline.philox])
def test_philox_known_answers(function, counter, key, expected):
    words = function(np.array(counter, np.uint32)[:, np.newaxis], key)
    assert words[:, 0].tolist() == expected


@pytest.mark.parametrize("isa", ISAS or ["none"])
def test_compiled_bits_are_philox_in_groups_of_64(isa):
    if isa != "none":
        kernels.use_isa(isa)
    seed, stream, draw = 0x299F31D0A4093822, 7, (5 << 32) + 9
    bits = kernels.random_bits(256, seed, stream, draw)
    for element in range(256):
        group, within = divmod(element, 64)
        word, block = divmod(within, 16)
        counter = np.array([[16 * group + block], [9], [5], [stream]], np.uint32)
        assert bits[element] == philox(counter, (0xA4093822, 0x299F31D0))[word, 0]


N = 1_000_000
SIX = 6  # standard errors: a right generator fails once in 500 million runs, and these runs are always the same


def test_masks_keep_the_right_fraction():
    for rate in (0.1, 0.5, 0.9):
        y = kernels.dropout(np.ones(N, np.float32), rate, 1, 2, 3)
        kept = np.count_nonzero(y)
        assert abs(kept - N * (1 - rate)) < SIX * math.sqrt(N * rate * (1 - rate))
        assert abs(y.mean() - 1) < SIX * math.sqrt(rate / (1 - rate) / N)


def test_masks_of_different_draws_streams_and_seeds_are_independent():
    base = kernels.dropout(np.ones(N, np.float32), 0.5, 1, 2, 3) > 0
    for key in ((2, 2, 3), (1, 3, 3), (1, 2, 4), (1 + 2**32, 2, 3), (1, 2, 3 + 2**32)):
        other = kernels.dropout(np.ones(N, np.float32), 0.5, *key) > 0
        assert abs(np.count_nonzero(base == other) - N / 2) < SIX * math.sqrt(N / 4)
    shifted = base[1:] == base[:-1]
    assert abs(np.count_nonzero(shifted) - N / 2) < SIX * math.sqrt(N / 4)


def test_uniform():
    x = Generator(1).uniform(N, -1.0, 3.0)
    assert x.dtype == np.float32 and x.min() >= -1 and x.max() < 3
    assert abs(x.mean(dtype=np.float64) - 1) < SIX * (4 / math.sqrt(12)) / math.sqrt(N)
    counts = np.histogram(x, bins=64, range=(-1, 3))[0]
    chi_square = ((counts - N / 64) ** 2 / (N / 64)).sum()
    assert abs(chi_square - 63) < SIX * math.sqrt(2 * 63)


def test_normal():
    x = Generator(1).normal(N, mean=2.0, std=3.0)
    assert x.dtype == np.float32
    assert abs(x.mean(dtype=np.float64) - 2) < SIX * 3 / math.sqrt(N)
    assert abs(x.var(dtype=np.float64) / 9 - 1) < SIX * math.sqrt(2 / N)
    # Kolmogorov and Smirnov: sqrt(n) * D exceeds 2.5 once in 100,000 times.
    ordered = np.sort(x[:100_000].astype(np.float64))
    cdf = np.array([statistics.NormalDist(2, 3).cdf(value) for value in ordered])
    steps = np.arange(1, len(cdf) + 1) / len(cdf)
    assert max((steps - cdf).max(), (cdf - steps + 1 / len(cdf)).max()) * math.sqrt(len(cdf)) < 2.5


def test_thenormal_quantile_is_the_inverse_of_the_distribution():
    from minidnn.reference.normal import normal_quantile

    p = np.concatenate([[2.0**-33, 1 - 2.0**-33, 0.075, 0.925, 0.5], np.linspace(1e-6, 1 - 1e-6, 1001)])
    expected = np.array([statistics.NormalDist().inv_cdf(value) for value in p])
    assert np.allclose(normal_quantile(p), expected, rtol=1e-14, atol=1e-15)


def test_a_restored_state_continues_the_sequence():
    generator = Generator(5, stream=3)
    generator.bits(10)
    state = generator.get_state()
    expected = [generator.uniform(5).tobytes(), generator.permutation(7).tobytes()]
    other = Generator(0)
    other.set_state(state)
    assert [other.uniform(5).tobytes(), other.permutation(7).tobytes()] == expected
    assert repr(other) == "Generator(seed=5, stream=3, draw=3)"


def test_the_default_generator_is_seeded_saved_and_restored():
    minidnn.manual_seed(9)
    first = minidnn.nn.Dense(3, 3).kernel.data.tobytes()
    state = minidnn.get_rng_state()
    second = minidnn.nn.Dense(3, 3).kernel.data.tobytes()
    minidnn.set_rng_state(state)
    assert minidnn.nn.Dense(3, 3).kernel.data.tobytes() == second != first
    minidnn.manual_seed(9)
    assert minidnn.nn.Dense(3, 3).kernel.data.tobytes() == first


def test_spawned_generators_differ():
    parent = Generator(1)
    seeds = {parent.spawn().seed for _ in range(100)} | {1}
    assert len(seeds) == 101


@pytest.mark.parametrize("shape", [0, 1, 5, (0, 3), (2, 3), ()])
def test_shapes(shape):
    expected = (shape,) if isinstance(shape, int) else shape
    generator = Generator(1)
    assert generator.bits(shape).shape == generator.uniform(shape).shape == generator.normal(shape).shape == expected


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Generator(-1), ValueError, r"seed must be in \[0, 2\*\*64\), got -1"),
        (lambda: Generator(2**64), ValueError, "seed must be in"),
        (lambda: Generator(1.0), TypeError, "seed must be an integer, got float"),
        (lambda: Generator(True), TypeError, "seed must be an integer"),
        (lambda: Generator(0, stream=2**32), ValueError, r"stream must be in \[0, 2\*\*32\)"),
        (lambda: minidnn.manual_seed("x"), TypeError, "seed must be an integer"),
        (lambda: Generator(0).permutation(-1), ValueError, r"n must be in \[0, 2\*\*32\]"),
        (lambda: Generator(0).permutation(1.5), TypeError, "integer"),
    ],
)
def test_refuses(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_the_reference_draws_the_same():
    generator = Generator(3)
    drawn = [generator.bits(100).tobytes(), generator.permutation(100).tobytes(), generator.normal(50).tobytes()]
    with minidnn.use_backend("reference"):
        generator = Generator(3)
        assert drawn == [
            generator.bits(100).tobytes(),
            generator.permutation(100).tobytes(),
            generator.normal(50).tobytes(),
        ]
    assert reference.random_bits(5, 3, 0, 0).tobytes() == drawn[0][:20]
