"""Real data, and batches of it."""

from minidnn.data import augment
from minidnn.data.batches import batches
from minidnn.data.datasets import ArrayDataset, Splits
from minidnn.data.idx import IdxError, load_idx, save_idx
from minidnn.data.mnist import load_mnist

__all__ = [
    "ArrayDataset",
    "IdxError",
    "Splits",
    "augment",
    "batches",
    "load_idx",
    "load_mnist",
    "save_idx",
]
