"""Augmentation: what each transformation does, and that it depends only on (seed, epoch, example)."""

import colorsys
import math

import numpy as np
import pytest

import minidnn
from minidnn import data
from minidnn.data import augment
from minidnn.data.augment import Augment
from minidnn.pipeline import _pipeline
from minidnn.pipeline import reference as reference_pipeline

KEY = (7, 0, 3)
IMAGES = minidnn.Generator(1).uniform((6, 9, 9))
RGB = minidnn.Generator(2).uniform((6, 5, 7, 3))
EXAMPLES = np.arange(6)

GREY = {
    "shift": augment.shift(2.5),
    "rotate": augment.rotate(30),
    "zoom": augment.zoom(0.7, 1.4, stretch=True),
    "shear": augment.shear(20),
    "flip": augment.flip(),
    "crop": augment.crop(0.5),
    "elastic": augment.elastic(20, 2),
    "brightness": augment.brightness(0.3),
    "contrast": augment.contrast(0.5, 1.5),
    "saturation": augment.saturation(0.0, 1.5),
    "hue": augment.hue(90),
    "noise": augment.noise(0.2),
}


def of(*transformations, shape=(9, 9), fill=0.0):
    return Augment(transformations, shape, fill)


def test_every_transformation_is_in_the_table():
    assert {*GREY, "Augment", "Mixup", "contact_sheet", "uniform"} == set(augment.__all__)


@pytest.mark.parametrize("name", GREY)
@pytest.mark.parametrize(("images", "shape"), [(IMAGES, (9, 9)), (RGB, (5, 7, 3))])
def test_the_result_depends_only_on_seed_epoch_and_example(name, images, shape):
    f = of(GREY[name], shape=shape)
    whole = f(images, EXAMPLES, KEY)
    assert whole.dtype == np.float32 and whole.shape == images.shape
    assert whole.min() >= 0 and whole.max() <= 1
    order = np.array([4, 0, 5])
    assert f(images[order], EXAMPLES[order], KEY).tobytes() == whole[order].tobytes()
    for i in range(6):
        assert f(images[i : i + 1], EXAMPLES[i : i + 1], KEY).tobytes() == whole[i : i + 1].tobytes()
    changes_something = name not in ("saturation", "hue") or len(shape) == 3
    others = [f(images, EXAMPLES, other) for other in ((8, 0, 3), (7, 1, 3), (7, 0, 4))]
    assert all((other.tobytes() != whole.tobytes()) == changes_something for other in others)


@pytest.mark.compiled
@pytest.mark.parametrize("name", GREY)
def test_compiled_equals_reference(name):
    f = of(GREY[name])
    compiled = f(IMAGES, EXAMPLES, KEY)
    with minidnn.use_backend("reference"):
        plain = f(IMAGES, EXAMPLES, KEY)
    if name == "elastic":  # its field comes from matrix products, whose rounding differs
        assert np.abs(compiled - plain).max() < 1e-4
    else:
        assert compiled.tobytes() == plain.tobytes()


@pytest.mark.compiled
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 33])
def test_bits_of_examples(n):
    examples = np.array([0, 5, 2**33 + 1, 7])
    words = _pipeline.example_bits(examples, n, 2**60 + 3, 5, 2**33 + 9, 2)
    assert np.array_equal(words, reference_pipeline.example_bits(examples, n, 2**60 + 3, 5, 2**33 + 9, 2))
    assert words.shape == (4, n) and len(set(words.ravel().tolist())) == words.size


@pytest.mark.compiled
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1), (9, 9, 3)])
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_resampling_at_any_position(shape, fill):
    rng = np.random.default_rng(3)
    images = rng.uniform(size=(5, *shape)).astype(np.float32)
    maps = rng.normal(size=(5, 2, 3)).astype(np.float32) * 3
    maps[0], maps[1, 0, 0], maps[2, 1, 2] = 1e30, np.nan, np.inf
    fields = rng.normal(size=(5, 2, *shape[:2])).astype(np.float32)
    for field in (fields, fields[:0]):
        got = _pipeline.resample(images, maps, field, fill)
        assert got.tobytes() == reference_pipeline.resample(images, maps, field, fill).tobytes()
        assert np.isfinite(got).all() and np.all(got[0] == np.float32(fill))


@pytest.mark.parametrize(
    "f",
    [
        of(),
        of(
            augment.shift(0),
            augment.rotate(0),
            augment.zoom(1, 1),
            augment.shear(0),
            augment.crop(1),
            augment.elastic(0, 4),
        ),
        of(augment.flip(probability=0)),
        of(augment.brightness(0), augment.contrast(1, 1), augment.noise(0)),
    ],
)
def test_transformations_of_strength_zero_change_nothing(f):
    assert np.allclose(f(IMAGES, EXAMPLES, KEY), IMAGES, atol=1e-6)
    with_copy = f(IMAGES, EXAMPLES, KEY)
    assert not np.shares_memory(with_copy, IMAGES)


def test_whole_shifts_move_pixels_and_fill_in():
    shifted = of(augment.shift(3, whole=True), fill=0.5)(IMAGES, EXAMPLES, KEY)
    places = set()
    for before, after in zip(IMAGES, shifted, strict=True):
        padded = np.pad(before, 3, constant_values=0.5)
        windows = {(r, c): padded[r : r + 9, c : c + 9] for r in range(7) for c in range(7)}
        places |= {place for place, window in windows.items() if np.array_equal(window, after)}
    assert len(places) == 6  # each by a different offset


class fixed(augment.rotate):
    """A rotation by exactly ``degrees``."""

    def maps(self, u, shape):
        return super().maps(np.ones_like(u), shape)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("quarter", [1, 2])
def test_a_quarter_turn_is_rot90(size, quarter):
    images = minidnn.Generator(1).uniform((3, size, size))
    turned = Augment([fixed(90.0 * quarter)], (size, size))(images, np.arange(3), KEY)
    expected = np.rot90(images, quarter, axes=(1, 2))
    opposite = np.rot90(images, -quarter, axes=(1, 2))
    assert np.allclose(turned, expected, atol=1e-5) or np.allclose(turned, opposite, atol=1e-5)


def test_flips_mirror_and_two_of_them_undo():
    once = of(augment.flip(probability=1))
    assert np.allclose(once(IMAGES, EXAMPLES, KEY), IMAGES[:, :, ::-1], atol=1e-6)
    upside = of(augment.flip(vertical=True, probability=1))
    assert np.allclose(upside(IMAGES, EXAMPLES, KEY), IMAGES[:, ::-1], atol=1e-6)
    twice = of(augment.flip(probability=1), augment.flip(probability=1))
    assert np.allclose(twice(IMAGES, EXAMPLES, KEY), IMAGES, atol=1e-6)


def test_zoom_by_two_keeps_the_centre():
    image = np.zeros((1, 9, 9), np.float32)
    image[0, 3:6, 3:6] = 1
    grown = of(augment.zoom(2, 2))(image, EXAMPLES[:1], KEY)[0]
    assert grown[4, 4] == 1 and np.all(grown[2:7, 2:7] == 1) and grown.sum() > 3 * image.sum()


def test_random_numbers_cover_their_range():
    n = 4000
    maps = augment.shift(3.0).maps(np.random.default_rng(1).uniform(size=(n, 4)), (9, 9))[:, :2, 2]
    assert np.abs(maps).max() <= 3 and np.all(np.abs(maps.mean(axis=0)) < 6 * (6 / math.sqrt(12)) / math.sqrt(n))
    flips = of(augment.flip(probability=0.3), shape=(1, 2))(np.tile(np.float32([[0, 1]]), (n, 1)), np.arange(n), KEY)
    assert abs((flips[:, 0] == 1).sum() - 0.3 * n) < 6 * math.sqrt(n * 0.3 * 0.7)


def test_elastic_fields_are_smooth_and_of_the_papers_strength():
    examples = np.arange(200)
    fields = augment.elastic(34, 4).fields(examples, (28, 28), KEY, 0)[:, :, 8:20, 8:20]
    # Smoothing divides the variance of uniform noise, 1/3, by 4 pi sigma**2.
    expected = 34 * math.sqrt(1 / 3 / (4 * math.pi * 16))
    assert abs(fields.std() / expected - 1) < 0.1
    roughness = np.diff(fields, axis=-1).std() / fields.std()
    assert roughness < 1.2 / (4 * math.sqrt(2))  # adjacent pixels differ by std / (sqrt(2) sigma)


def hsv(image):
    return np.array([colorsys.rgb_to_hsv(*pixel) for pixel in image.reshape(-1, 3)])


def test_hue_turns_the_wheel_and_keeps_the_rest():
    turned = of(augment.hue(90), shape=(5, 7, 3))(RGB, EXAMPLES, KEY)
    for before, after in zip(RGB.astype(np.float64), turned.astype(np.float64), strict=True):
        a, b = hsv(before), hsv(after)
        assert np.allclose(a[:, 1:], b[:, 1:], atol=1e-4)
        turn = (b[:, 0] - a[:, 0] + 0.5) % 1 - 0.5
        assert np.ptp(turn) < 1e-3 and abs(turn[0]) <= 0.25 + 1e-6


def test_saturation_zero_is_grey():
    grey = of(augment.saturation(0, 0), shape=(5, 7, 3))(RGB, EXAMPLES, KEY)
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.allclose(grey, luma[..., np.newaxis], atol=1e-6)


def test_bytes_stay_bytes():
    images = (IMAGES * 255).astype(np.uint8)
    assert of()(images, EXAMPLES, KEY).tobytes() == images.tobytes()
    turned = of(augment.rotate(20))(images, EXAMPLES, KEY)
    as_floats = of(augment.rotate(20))(images / np.float32(255), EXAMPLES, KEY)
    assert turned.dtype == np.uint8 and np.array_equal(turned, np.rint(as_floats * 255))


def test_augmented_examples_do_not_depend_on_the_batch_size():
    dataset = data.load_mnist().train[:30]
    f = Augment([augment.elastic(34, 4), augment.rotate(10)], (28, 28))

    def epoch(size):
        parts = list(data.batches(dataset, size, minidnn.Generator(4), augment=f))
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])

    (x, y), (small_x, small_y) = epoch(30), epoch(7)
    assert x.tobytes() == small_x.tobytes() and y.tobytes() == small_y.tobytes()
    plain = np.concatenate([x for x, _ in data.batches(dataset, 30, minidnn.Generator(4))])
    assert np.abs(plain - x).max() > 0.1
    assert abs(plain.mean() - x.mean()) < 0.03


def darker(images, examples, key):
    images *= augment.uniform(examples, 1, key, 1000)[:, :, np.newaxis, np.newaxis].astype(np.float32)
    return images


def test_a_users_function_is_a_transformation():
    before = IMAGES.copy()
    made = of(darker)(IMAGES, EXAMPLES, KEY)
    factors = augment.uniform(EXAMPLES, 1, KEY, 1000)[:, :, np.newaxis]
    assert np.array_equal(IMAGES, before) and len(set(factors.ravel())) == 6
    np.testing.assert_allclose(made, IMAGES * factors, rtol=1e-6)
    order = np.array([4, 0])
    assert of(darker)(IMAGES[order], order, KEY).tobytes() == made[order].tobytes()
    bright, negative = augment.brightness(0.5), lambda images, examples, key: 1 - images
    ours = of(bright, negative)(IMAGES, EXAMPLES, KEY)
    assert ours.tobytes() == (1 - of(bright)(IMAGES, EXAMPLES, KEY)).tobytes()  # in the order of the list
    moved = of(negative, augment.flip(probability=1))(IMAGES, EXAMPLES, KEY)
    assert np.allclose(moved, 1 - IMAGES[:, :, ::-1], atol=1e-6)  # but after the geometric ones


class upside_down:
    def maps(self, u, shape):
        return np.tile(np.diag([-1.0, 1.0, 1.0]), (len(u), 1, 1))


def test_an_object_with_maps_is_a_geometric_transformation():
    assert np.allclose(of(upside_down())(IMAGES, EXAMPLES, KEY), IMAGES[:, ::-1], atol=1e-6)
    assert np.allclose(of(upside_down(), upside_down())(IMAGES, EXAMPLES, KEY), IMAGES, atol=1e-6)


@pytest.mark.parametrize("wrong", [lambda x: x[:, :4], lambda x: x[0], lambda x: None, lambda x: x > 0.5])
def test_the_result_of_a_users_function_is_checked(wrong):
    with pytest.raises(ValueError, match=r"transformations\[1\] gave .*, must give float32 \(6, 9, 9, 1\)"):
        of(augment.shift(1), lambda images, examples, key: wrong(images))(IMAGES, EXAMPLES, KEY)


COLOURS = ("brightness", "contrast", "saturation", "hue", "noise")


@pytest.mark.parametrize("name", GREY)
@pytest.mark.parametrize("change", [lambda x: x * 4 - 2, lambda x: x * 255, lambda x: x - 0.5])
def test_floats_outside_of_0_to_1_are_refused_not_clipped(name, change):
    f = of(GREY[name])
    if name in COLOURS:
        with pytest.raises(ValueError, match=rf"for {name} x has values from .*, must be in \[0, 1\]; scale x first"):
            f(change(IMAGES), EXAMPLES, KEY)
        with pytest.raises(ValueError, match="must be in"):
            of(lambda images, examples, key: change(images), GREY[name])(IMAGES, EXAMPLES, KEY)
    else:
        made = f(change(IMAGES), EXAMPLES, KEY)
        assert made.max() > 1 or made.min() < 0
    if name == "shift":
        with pytest.raises(ValueError, match="x is uint8, and what was made of it has values"):
            of(lambda images, examples, key: change(images))((IMAGES * 255).astype(np.uint8), EXAMPLES, KEY)


def test_an_empty_batch():
    f = of(*(t for t in GREY.values()))
    assert f(IMAGES[:0], EXAMPLES[:0], KEY).shape == (0, 9, 9)


def test_contact_sheet(tmp_path):
    pytest.importorskip("matplotlib")
    augment.contact_sheet(of(augment.rotate(30)), IMAGES, tmp_path / "sheet.png", columns=4)
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="there are no images"):
        augment.contact_sheet(of(), IMAGES[:0], tmp_path / "none.png")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: augment.shift(-1), ValueError, "shift: pixels must be"),
        (lambda: augment.rotate(math.nan), ValueError, "rotate: degrees must be"),
        (lambda: augment.zoom(0, 1), ValueError, "zoom: low and high must be"),
        (lambda: augment.zoom(2, 1), ValueError, "zoom: low and high must be"),
        (lambda: augment.shear(90), ValueError, r"shear: degrees must be in \[0, 90\)"),
        (lambda: augment.flip(probability=1.5), ValueError, "flip: probability must be"),
        (lambda: augment.crop(0), ValueError, "crop: least must be"),
        (lambda: augment.elastic(34, 0), ValueError, "elastic: sigma must be"),
        (lambda: augment.brightness("x"), TypeError, "brightness: most must be a number"),
        (lambda: augment.contrast(1, 0.5), ValueError, "contrast: high is 0.5, must not be below low, 1"),
        (lambda: augment.hue(-1), ValueError, "hue: degrees must be"),
        (lambda: augment.noise(math.inf), ValueError, "noise: std must be"),
        (lambda: of("rotate"), TypeError, r"transformations\[0\] is a str"),
        (
            lambda: of(augment.rotate),
            TypeError,
            r"transformations\[0\] is rotate, must be one of .* such as shift\(2\)",
        ),
        (lambda: of(shape=(9,)), ValueError, "image_shape must be"),
        (lambda: of(shape=(9, 9, 2)), ValueError, "image_shape must be"),
        (lambda: of(shape=(0, 9)), ValueError, r"image_shape\[0\] must be at least 1"),
        (lambda: of(fill=2), ValueError, "fill must be"),
        (lambda: of()(IMAGES.astype(np.float64), EXAMPLES, KEY), TypeError, "x is float64"),
        (lambda: of()(IMAGES[:, :8], EXAMPLES, KEY), ValueError, "x has shape"),
        (lambda: of()(IMAGES, EXAMPLES[:3], KEY), ValueError, "examples"),
    ],
)
def test_refuses(make, error, message):
    with pytest.raises(error, match=message):
        make()
