"""Pictures in folders."""

import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidnn
from minidnn import data, nn, optim, training
from minidnn.data import ImageError, ImageFolder

Image = pytest.importorskip("PIL.Image")
rng = np.random.default_rng(4)
PIXELS = {
    f"{name}/{i}.png": rng.integers(0, 256, (5, 7), np.uint8) for name in ("cats", "dogs", "owls") for i in range(4)
}


@pytest.fixture
def folder(tmp_path):
    for name, pixels in PIXELS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def test_classes_order_and_pixels(folder):
    (folder / "cats" / "notes.txt").write_text("no picture")
    (folder / "cats" / ".hidden.png").write_text("no picture")
    (folder / ".git").mkdir()
    pictures = ImageFolder(folder)
    assert pictures.classes == ("cats", "dogs", "owls") and pictures.y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert pictures.image_shape == (5, 7) and pictures.slow
    truth = np.stack([PIXELS[name].reshape(-1) for name in sorted(PIXELS)])
    assert np.array_equal(pictures.images, truth.astype(np.float32) / np.float32(255))
    loaded = pictures.load()
    assert np.array_equal(loaded.x, truth) and loaded.classes == pictures.classes and loaded.image_shape == (5, 7)
    order = np.array([3, 3, 11, 0])
    assert pictures.gather(order).tobytes() == loaded.gather(order).tobytes()


def test_folders_in_folders(tmp_path):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    Image.new("L", (2, 2), 9).save(tmp_path / "a" / "deep" / "x.PNG")
    Image.new("L", (2, 2), 5).save(tmp_path / "a" / "y.bmp")
    assert ImageFolder(tmp_path).load().x[:, 0].tolist() == [9, 5]


def test_training_equals_that_on_the_same_pictures_in_memory(folder):
    def trained(pictures):
        model = nn.Sequential(nn.Dense(35, 3, rng=minidnn.Generator(1)))
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        options = {"epochs": 2, "batch_size": 5, "rng": minidnn.Generator(2), "progress": False}
        training.fit(model, pictures, optimizer=optimizer, valid=pictures, **options)
        return model.state_dict()["0.kernel"].tobytes(), training.evaluate(model, pictures)

    assert trained(ImageFolder(folder)) == trained(ImageFolder(folder).load())


@pytest.mark.parametrize(
    ("mode", "colour", "grey", "rgb"),
    [
        ("L", 100, 100, (100, 100, 100)),
        ("1", 1, 255, (255, 255, 255)),
        ("RGB", (255, 0, 0), 76, (255, 0, 0)),  # ITU-R 601: 0.299 * 255
        ("RGBA", (0, 255, 0, 9), 150, (0, 255, 0)),
        ("LA", (7, 9), 7, (7, 7, 7)),
        ("I;16", 100 * 256 + 3, 100, (100, 100, 100)),
    ],
)
def test_modes_become_grey_or_rgb(tmp_path, mode, colour, grey, rgb):
    (tmp_path / "a").mkdir()
    Image.new(mode, (3, 2), colour).save(tmp_path / "a" / "x.png")
    assert ImageFolder(tmp_path, (2, 3)).load().x[0].tolist() == [grey] * 6
    assert ImageFolder(tmp_path, (2, 3, 3)).load().x[0].tolist() == list(rgb) * 6
    assert ImageFolder(tmp_path).image_shape == ((2, 3, 3) if mode.startswith("RGB") else (2, 3))


def saved(tmp_path, array, name):
    (tmp_path / "a").mkdir()
    Image.fromarray(array).save(tmp_path / "a" / name)
    return ImageFolder(tmp_path)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_grey_pictures_of_16_bits_are_scaled(tmp_path, name):
    grey = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)
    pictures = saved(tmp_path, grey, name)
    assert pictures.image_shape == (8, 8)
    assert np.array_equal(pictures.load().x[0], np.rint(grey.astype(np.float64) / 257).astype(np.uint8).reshape(-1))


def test_a_pgm_of_16_bits_is_scaled(tmp_path):
    (tmp_path / "a").mkdir()
    grey = np.arange(0, 1000, 40, np.uint16).reshape(5, 5)
    (tmp_path / "a" / "x.pgm").write_bytes(b"P5 5 5 1000\n" + grey.astype(">u2").tobytes())
    pictures = ImageFolder(tmp_path)
    assert pictures.image_shape == (5, 5)
    assert np.abs(pictures.load().x[0] - grey.reshape(-1) * 0.255).max() <= 0.51


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
@pytest.mark.parametrize("shape", [None, (8, 8), (8, 8, 3)])
def test_pictures_of_an_unknown_range_are_refused(tmp_path, dtype, shape):
    grey = (np.arange(64).reshape(8, 8) / 64).astype(dtype)
    with pytest.raises(ImageError, match=r"x\.tif cannot be read: .*must be unsigned with 8 or 16 bits; scale them"):
        saved(tmp_path, grey, "x.tif")
    with pytest.raises(ImageError, match="must be unsigned with 8 or 16 bits"):
        ImageFolder(tmp_path, shape).load()


def test_classes_of_another_folder(folder, tmp_path_factory):
    train, other = ImageFolder(folder), tmp_path_factory.mktemp("test")
    for name in ("owls", "cats"):
        (other / name).mkdir()
        Image.fromarray(PIXELS[f"{name}/0.png"]).save(other / name / "x.png")
    test = ImageFolder(other, classes=train.classes)
    assert test.classes == train.classes and test.y.tolist() == [0, 2] and test.meaning == train.meaning
    assert test.load().meaning == train.load()[2:].meaning == train.meaning
    (other / "ants").mkdir()
    Image.new("L", (7, 5)).save(other / "ants" / "x.png")
    with pytest.raises(ValueError, match="has a folder 'ants', must have those of the classes 'cats', 'dogs', 'owls'"):
        ImageFolder(other, classes=train.classes)


def test_a_palette_is_looked_up(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (2, 2), (255, 0, 0)).convert("P").save(tmp_path / "a" / "x.gif")
    assert ImageFolder(tmp_path).load().x[0].tolist() == [255, 0, 0] * 4


def test_pictures_are_resized_to_image_shape(folder):
    Image.new("L", (70, 50), 33).save(folder / "owls" / "large.png")
    assert ImageFolder(folder, (5, 7)).load().x[-1].tolist() == [33] * 35
    with pytest.raises(ImageError, match=r"large\.png is 50 x 70, must be 5 x 7; image_shape=\(5, 7\) resizes"):
        ImageFolder(folder).load()


def test_exif_turns_the_picture_upright(tmp_path):
    (tmp_path / "a").mkdir()
    image = Image.fromarray(np.array([[10, 200]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 90 degrees clockwise
    image.save(tmp_path / "a" / "x.png", exif=exif)
    pictures = ImageFolder(tmp_path)
    assert pictures.image_shape == (2, 1) and pictures.load().x[0].tolist() == [10, 200]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns before it raises
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tiff", "webp", "ppm"])
def test_a_truncated_picture_is_an_error_that_names_it(tmp_path, suffix):
    (tmp_path / "a").mkdir()
    content = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(content, {"jpg": "jpeg"}.get(suffix, suffix))
    whole = content.getvalue()
    path = tmp_path / "a" / f"x.{suffix}"
    failed = 0
    for length in [0, 1, 5, 20, *range(len(whole) // 9, len(whole) // 2, len(whole) // 9)]:
        path.write_bytes(whole[:length])
        try:
            ImageFolder(tmp_path, (20, 20)).load()
        except ImageError as error:
            assert str(path) in str(error)
            failed += 1
    assert failed >= 4


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), suffix=st.sampled_from(["png", "gif", "bmp", "jpeg"]))
def test_a_changed_byte_gives_a_picture_of_the_right_size_or_an_error(tmp_path_factory, place, byte, suffix):
    folder = tmp_path_factory.getbasetemp() / "changed"
    (folder / suffix / suffix).mkdir(parents=True, exist_ok=True)
    path = folder / suffix / suffix / f"x.{suffix}"
    content = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(content, suffix)
    changed = bytearray(content.getvalue())
    changed[place % len(changed)] = byte
    path.write_bytes(changed)
    try:
        assert ImageFolder(folder / suffix, (8, 8)).load().x.shape == (1, 64)
    except ImageError as error:
        assert str(path) in str(error)


def test_a_damaged_picture_is_an_error_in_training(folder):
    path = folder / "owls" / "2.png"
    path.write_bytes(path.read_bytes()[:40])
    pictures = ImageFolder(folder)
    for prefetch in (False, True):
        with pytest.raises(ImageError, match=r"2\.png cannot be read"):
            list(data.batches(pictures, 5, prefetch=prefetch))


def test_other_formats_are_not_tried_for_any_name(tmp_path):
    """Pillow supports many more formats, and would run a PostScript interpreter on a file named x.png."""
    (tmp_path / "a").mkdir()
    for other in ("eps", "pcx", "tga", "ico"):
        content = io.BytesIO()
        Image.new("RGB", (16, 16), 9).save(content, other)
        (tmp_path / "a" / "x.png").write_bytes(content.getvalue())
        with pytest.raises(ImageError, match=r"x\.png cannot be read: UnidentifiedImageError: not a picture in one of"):
            ImageFolder(tmp_path)


def test_a_picture_of_too_many_pixels_is_refused(folder, monkeypatch):
    for most in (30, 20, 3):  # Pillow warns above the limit and refuses above twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(ImageError, match=r"cannot be read: .*(too many|exceeds limit)"):
            ImageFolder(folder)


def test_invalid_folders_are_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        ImageFolder(tmp_path / "none")
    with pytest.raises(ValueError, match="not no folder of a class"):
        ImageFolder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"pictures for each class, not .*empty"):
        ImageFolder(tmp_path)
    Image.new("L", (2, 2)).save(tmp_path / "empty" / "x.png")
    for shape in ((2,), (2, 2, 4), (2, 2, 1), (0, 2), ()):
        with pytest.raises(ValueError, match="image_shape"):
            ImageFolder(tmp_path, shape)
    with pytest.raises(IndexError, match="must be in"):
        ImageFolder(tmp_path).gather(np.array([1]))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"minidnn\[images\]"):
        ImageFolder(tmp_path)
