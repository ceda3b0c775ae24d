"""Data sets, MNIST itself, and batches."""

import numpy as np
import pytest
from kit import CHECKOUT

import minidnn
from minidnn import data, nn, optim, training
from minidnn.data import ArrayDataset, batches

BYTES = np.arange(60, dtype=np.uint8).reshape(20, 3)


@pytest.fixture(scope="module")
def mnist():
    return data.load_mnist()


def test_mnist_is_split_as_the_notebook_does(mnist):
    assert [len(part) for part in mnist] == [55_000, 5_000, 10_000]
    assert all(part.x.shape == (len(part), 784) and part.x.dtype == np.uint8 for part in mnist)
    # The training file begins 5 0 4 1 9 2 1 3 1 4: the validation set is its first 5,000.
    assert mnist.valid.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_mnist_has_the_published_numbers(mnist):
    # The class counts of the test set, and the usual mean and deviation of the training file for normalization.
    assert np.bincount(mnist.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    whole = np.concatenate([mnist.valid.x, mnist.train.x])
    assert abs(whole.mean() / 255 - 0.1307) < 5e-5 and abs(whole.std() / 255 - 0.3081) < 5e-5


def test_images_are_floats_in_the_unit_interval(mnist):
    images = mnist.test.images
    assert images.dtype == np.float32 and images.min() == 0.0 and images.max() == 1.0
    assert images is mnist.test.images and mnist.test.labels is mnist.test.y


def test_a_slice_is_a_view(mnist):
    part = mnist.train[100:200]
    assert len(part) == 100 and np.shares_memory(part.x, mnist.train.x)


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (BYTES.astype(np.int16), np.zeros(20, int), TypeError, "x is int16, must be uint8, int64 or floating"),
        (np.full((20, 3), 1e300), np.zeros(20, int), ValueError, "60 finite values beyond float32"),
        (BYTES, np.array(["a"] * 20), TypeError, "y must be numbers.* np.unique"),
        (BYTES, (), ValueError, "y is an empty tuple"),
        (BYTES, (np.zeros(20), np.zeros(19)), ValueError, r"y has shape \(19,\), must have 20 rows"),
        (BYTES.ravel(), np.zeros(60, int), ValueError, r"x has shape \(60,\), must be \(n, n_in\)"),
        (BYTES, np.zeros(19, int), ValueError, r"y has shape \(19,\), must have 20 rows"),
        (BYTES, np.full(20, 2**64 - 1, np.uint64), ValueError, "must be within int64"),
    ],
)
def test_array_dataset_refuses(x, y, error, message):
    with pytest.raises(error, match=message):
        ArrayDataset(x, y)


def test_array_dataset_accepts_slices_only():
    with pytest.raises(TypeError, match="takes slices, got int"):
        ArrayDataset(BYTES, np.zeros(20, int))[3]


DATASETS = {
    "bytes": ArrayDataset(BYTES, np.arange(20)),
    "floats": ArrayDataset(BYTES.astype(np.float32) / np.float32(255), np.arange(20)),
    "words": ArrayDataset(BYTES.astype(np.int64) << 40, np.arange(20)),
    "pairs": ArrayDataset(np.arange(240, dtype=np.float32).reshape(20, 2, 3, 2), np.arange(20), keep_axes=True),
}


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=list(DATASETS))
@pytest.mark.parametrize("batch_size", [1, 3, 7, 20, 100])
@pytest.mark.parametrize("drop_last", [False, True])
def test_an_epoch_visits_every_example_once(dataset, batch_size, drop_last):
    parts = list(batches(dataset, batch_size, minidnn.Generator(3), drop_last=drop_last))
    sizes = [len(y) for _, y in parts]
    whole, rest = divmod(20, batch_size)
    assert sizes == [batch_size] * whole + [rest] * (rest > 0 and not drop_last)
    seen = np.concatenate([y for _, y in parts]) if parts else np.zeros(0, np.int64)
    assert len(set(seen.tolist())) == len(seen)
    for x, y in parts:
        assert y.dtype == np.int64 and x.dtype == dataset.inputs.dtype
        assert np.array_equal(x, dataset.inputs[y])


def test_inputs_are_what_a_model_takes():
    assert np.array_equal(DATASETS["bytes"].inputs, BYTES.astype(np.float32) / np.float32(255))
    assert DATASETS["words"].inputs is DATASETS["words"].x
    assert DATASETS["pairs"][3:5].inputs.shape == (2, 2, 3, 2)
    words = DATASETS["words"]
    some = data.Subset(words, [7, 3])
    assert some.inputs.dtype == np.int64 and np.array_equal(some[:1].inputs, words.x[7:8])
    assert np.array_equal(words.images, words.x.astype(np.float32))


def test_the_seed_determines_a_different_order_for_every_epoch():
    def orders(seed):
        generator = minidnn.Generator(seed)
        return [np.concatenate([y for _, y in batches(DATASETS["bytes"], 7, generator)]).tolist() for _ in range(3)]

    assert orders(1) == orders(1) != orders(2)
    assert orders(1)[0] != orders(1)[1]


def test_an_empty_data_set_has_no_batches():
    assert list(batches(ArrayDataset(BYTES[:0], np.zeros(0, int)), 5)) == []


def test_arguments_are_checked_at_the_call():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        batches(DATASETS["bytes"], 0)
    with pytest.raises(TypeError, match="batch_size must be an integer, got float"):
        batches(DATASETS["bytes"], 2.5)


def test_batches_can_be_skipped():
    whole, rest = (list(batches(DATASETS["bytes"], 6, minidnn.Generator(3), skip=skip)) for skip in (0, 2))
    assert [y.tolist() for _, y in whole[2:]] == [y.tolist() for _, y in rest]
    assert list(batches(DATASETS["bytes"], 6, skip=9)) == []
    with pytest.raises(ValueError, match="skip"):
        batches(DATASETS["bytes"], 6, skip=-1)


def test_images_become_rows():
    images = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    dataset = ArrayDataset(images, [0, 1], classes=["cat", "dog"])
    assert dataset.x.shape == (2, 36) and np.shares_memory(dataset.x, images) and dataset.image_shape == (3, 4, 3)
    both = dataset[1:] + dataset[:1]
    assert both.image_shape == (3, 4, 3) and both.classes == ("cat", "dog") and both.y.tolist() == [1, 0]
    assert ArrayDataset(images[:0], np.zeros(0, int)).x.shape == (0, 36)


def test_the_data_set_of_the_documentation_trains():
    page = (CHECKOUT / "docs" / "data.md").read_text()
    names = {"np": np, "data": data}
    exec(page.split("```python\n")[-1].split("```")[0], names)
    model = nn.Sequential(nn.Dense(64, 10))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    history = training.fit(
        model,
        names["Sines"](50),
        optimizer=optimizer,
        epochs=60,
        batch_size=10,
        valid=names["Sines"](10)[2:],
        progress=False,
    )
    assert history["valid_accuracy"][-1] == 1


def test_data_sets_are_concatenated():
    whole = ArrayDataset(BYTES, np.arange(20))
    both = whole[:5] + whole[5:]
    assert both.x.tobytes() == whole.x.tobytes() and both.y.tobytes() == whole.y.tobytes()


@pytest.mark.parametrize("other", [BYTES[:, 1:], BYTES.astype(np.float32)])
def test_data_sets_of_other_widths_or_dtypes_are_not_concatenated(other):
    with pytest.raises(ValueError, match="width and dtype must be the same"):
        ArrayDataset(BYTES, np.arange(20)) + ArrayDataset(other, np.arange(20))
