"""Corrupted examples made from real ones."""

import numpy as np
import pytest

import minidnn
from minidnn import data
from minidnn.random import Generator

RNG = np.random.default_rng(4)
SENTENCES = RNG.integers(2, 30, (500, 9)) * (np.arange(9) < RNG.integers(1, 10, (500, 1)))
IMAGES = RNG.integers(0, 256, (60, 28 * 28), np.uint8)


@pytest.mark.parametrize("count", [1, 3])
def test_the_given_number_of_words_is_replaced(count):
    bad = data.corrupt(SENTENCES, data.replace_words(SENTENCES, count), Generator(1))
    words = (SENTENCES > 0).sum(axis=1)
    assert bad.dtype == np.int64 and np.array_equal((bad != SENTENCES).sum(axis=1), np.minimum(words, count))
    assert np.array_equal(bad > 0, SENTENCES > 0) and bad.max() < 30


def test_replacements_have_the_frequencies_of_the_text():
    text = np.array([2, 2, 2, 2, 2, 2, 3, 3, 3, 4])  # and never the replaced word itself
    bad = data.corrupt(np.full((20_000, 1), 3), data.replace_words(text), Generator(2))
    share = np.bincount(bad[:, 0], minlength=5)[2:] / len(bad)
    np.testing.assert_allclose(share, [6 / 7, 0, 1 / 7], atol=5 * np.sqrt(0.25 / 20_000))


def test_every_place_is_replaced_equally_often():
    x = np.tile(np.array([2, 3, 4, 5, 0, 0]), (20_000, 1))
    bad = data.corrupt(x, data.replace_words(np.arange(2, 90)), Generator(3))
    np.testing.assert_allclose((bad != x).mean(axis=0), [0.25] * 4 + [0, 0], atol=5 * np.sqrt(0.19 / 20_000))


@pytest.mark.parametrize("shape", [(28, 28), (14, 56), (28, 14, 2)])
@pytest.mark.parametrize("size", [3, 7])
def test_two_patches_are_swapped(shape, size):
    x = IMAGES.reshape(60, *shape)
    bad = data.corrupt(x, data.swap_patches(shape, size), Generator(1))
    assert bad.shape == x.shape and bad.dtype == x.dtype
    h, w = (side // size for side in shape[:2])

    def cells(image):
        return {
            (r, c): image[r * size : r * size + size, c * size : c * size + size] for r in range(h) for c in range(w)
        }

    for before, after in zip(x, bad, strict=True):
        old, new = cells(before), cells(after)
        moved = [place for place in old if not np.array_equal(old[place], new[place])]
        assert len(moved) == 2
        a, b = moved
        assert np.array_equal(old[a], new[b]) and np.array_equal(old[b], new[a])
        inside = np.zeros(shape, bool)
        inside[: h * size, : w * size] = True
        assert np.array_equal(before[~inside], after[~inside])


def test_patches_that_are_equal_are_not_swapped():
    x = np.zeros((40, 8, 8), np.float32)
    x[:20, 1, 1] = 1  # one patch of four differs
    bad = data.corrupt(x, data.swap_patches((8, 8), 4), Generator(0))
    assert (bad[:20] != x[:20]).any(axis=(1, 2)).all() and np.array_equal(bad[20:], x[20:])


@pytest.mark.parametrize(
    ("x", "how"),
    [
        (SENTENCES, data.replace_words(SENTENCES, 2)),
        (IMAGES, data.swap_patches((28, 28), count=3)),
    ],
    ids=["words", "patches"],
)
def test_draws_depend_only_on_seed_epoch_and_example(x, how):
    before = x.copy()
    whole = data.corrupt(x, how, Generator(5))
    part = np.array([7, 3, 40])
    assert np.array_equal(how(x[part], part, (5, 0, 0)), whole[part])
    assert np.array_equal(x, before)
    with minidnn.kernels.use_backend("reference"):
        assert np.array_equal(data.corrupt(x, how, Generator(5)), whole)
    others = [
        data.corrupt(x, how, Generator(6)),
        data.corrupt(x, how, Generator(5, stream=1)),
        how(x, np.arange(len(x)), (5, 0, 1)),
    ]
    assert not any(np.array_equal(other, whole) for other in others)


def test_an_empty_batch_can_be_corrupted():
    assert data.corrupt(SENTENCES[:0], data.replace_words(SENTENCES)).shape == (0, 9)
    assert data.corrupt(IMAGES[:0], data.swap_patches((28, 28))).shape == (0, 784)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: data.replace_words(np.array([2.0, 3.0])), TypeError, "text must hold integers"),
        (lambda: data.replace_words([0, 1, 2, 2]), ValueError, "at least two different words"),
        (lambda: data.replace_words([2, 3], 0), ValueError, "count must be at least 1"),
        (lambda: data.replace_words([2, 3])(IMAGES, np.arange(60), (0, 0, 0)), TypeError, "must be int64"),
        (lambda: data.swap_patches((28,)), ValueError, r"must be \(h, w\)"),
        (lambda: data.swap_patches((28, 28), 15), ValueError, "fewer than two patches of size 15"),
        (lambda: data.swap_patches((14, 14))(IMAGES, np.arange(60), (0, 0, 0)), ValueError, r"x has shape \(60, 784\)"),
    ],
)
def test_invalid_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
