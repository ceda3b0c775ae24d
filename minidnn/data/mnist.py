"""MNIST, from the files inside the package."""

from __future__ import annotations

from minidnn.data.datasets import ArrayDataset, Splits
from minidnn.data.packaged import load_packaged

VALIDATION = 5000


def load_mnist() -> Splits:
    """The handwritten digits of LeCun, Cortes and Burges (1998), split as the notebook does.

    55,000 examples train, 5,000 validate, 10,000 test: as in TensorFlow's tutorial reader the *first*
    5,000 images of the training file validate. Images are uint8 rows of 784 pixels, 0 background to 255 ink
    (``.images`` has them as float32 in [0, 1]), labels 0 to 9.

    The files are inside the package and come under CC BY-SA 3.0; see ``minidnn/data/mnist/README.md``.
    """
    train, test = _examples("train"), _examples("t10k")
    return Splits(train[VALIDATION:], train[:VALIDATION], test)


def _examples(part: str) -> ArrayDataset:
    images = load_packaged("mnist", f"{part}-images-idx3-ubyte.gz")
    return ArrayDataset(images, load_packaged("mnist", f"{part}-labels-idx1-ubyte.gz"))
