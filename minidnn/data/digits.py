"""A small real data set, from the files inside the package."""

from __future__ import annotations

import numpy as np

from minidnn.data.datasets import ArrayDataset, Splits
from minidnn.data.packaged import digits_folder, load_packaged


def load_digits_sample() -> Splits:
    """1,797 handwritten digits of 8 x 8 pixels (Alpaydin & Kaynak 1998), for fast examples and tests.

    It is the test part of UCI's "Optical Recognition of Handwritten Digits", by 13 people: the first 1,197 train here,
    300 validate, the last 300 test. A pixel counts the ink in 4 x 4 points of a scan; 0 to 16 stand for 0.0 to 1.0,
    float32 and exact. Labels are 0 to 9.

    The files are inside the package and come under CC BY 4.0; see ``minidnn/data/digits/README.md``.
    """
    images, labels = (load_packaged(digits_folder(), f"{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    whole = ArrayDataset(images.astype(np.float32) / np.float32(16), labels)
    return Splits(whole[:1197], whole[1197:1497], whole[1497:])
