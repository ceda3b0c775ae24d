"""Real data, and batches of it."""

from minidnn.data import augment
from minidnn.data.batches import batches
from minidnn.data.corrupt import corrupt, replace_words, swap_patches
from minidnn.data.datasets import ArrayDataset, Splits
from minidnn.data.idx import IdxError, load_idx, save_idx
from minidnn.data.mnist import load_mnist
from minidnn.data.text import Sentences, Vocabulary, load_sentences, read_sentences, tokenize

__all__ = [
    "ArrayDataset",
    "IdxError",
    "Sentences",
    "Splits",
    "Vocabulary",
    "augment",
    "batches",
    "corrupt",
    "load_idx",
    "load_mnist",
    "load_sentences",
    "read_sentences",
    "replace_words",
    "save_idx",
    "swap_patches",
    "tokenize",
]
