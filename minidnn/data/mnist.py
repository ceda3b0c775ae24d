"""MNIST, from files that are installed."""

from __future__ import annotations

from minidnn.data.datasets import ArrayDataset, Splits
from minidnn.data.packaged import load_packaged, mnist_folder

VALIDATION = 5000


def load_mnist() -> Splits:
    """The handwritten digits of LeCun, Cortes and Burges (1998), split as the notebook does.

    55,000 examples train, 5,000 validate, 10,000 test: as in TensorFlow's tutorial reader the *first*
    5,000 images of the training file validate. Images are uint8 rows of 784 pixels, 0 background to 255 ink
    (``.images`` has them as float32 in [0, 1]), labels 0 to 9.

    An installation from a checkout has the files; published wheels leave them to the package minidnn-mnist
    (``pip install "minidnn[mnist]"``). They come under CC BY-SA 3.0; see
    ``packages/minidnn-mnist/src/minidnn_mnist/mnist/README.md``.

    Raises:
        FileNotFoundError: the files are not installed.
    """
    train, test = _examples("train"), _examples("t10k")
    return Splits(train[VALIDATION:], train[:VALIDATION], test)


def _examples(part: str) -> ArrayDataset:
    images, labels = (
        load_packaged(mnist_folder(), f"{part}-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1")
    )
    return ArrayDataset(images, labels)
