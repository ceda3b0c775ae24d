"""Data sets, their batches and augmentation."""

from typing import TYPE_CHECKING

from minidnn.data.batches import batches
from minidnn.data.corrupt import corrupt, replace_words, swap_patches
from minidnn.data.datasets import ArrayDataset, Dataset, Splits, Subset
from minidnn.data.meaning import Column, Meaning, MeaningError
from minidnn.data.text import Sentences, Vocabulary, load_sentences, read_sentences, tokenize
from minidnn.later import later

if TYPE_CHECKING:  # what is loaded when it is first used, for type checkers and editors
    from minidnn.data import augment
    from minidnn.data.digits import load_digits_sample
    from minidnn.data.fashion_mnist import load_fashion_mnist
    from minidnn.data.fetching import DownloadError
    from minidnn.data.frames import from_frame
    from minidnn.data.idx import IdxError, load_idx, save_idx
    from minidnn.data.images import ImageError, ImageFolder
    from minidnn.data.mnist import load_mnist
    from minidnn.data.sources import fetch
    from minidnn.data.splitting import split
    from minidnn.data.stacking import StackDataset
    from minidnn.data.standardize import Standardize
    from minidnn.data.tables import TableError, load_csv
    from minidnn.data.unlabelled import Unlabelled

__all__ = [
    "ArrayDataset",
    "Column",
    "Dataset",
    "DownloadError",
    "IdxError",
    "ImageError",
    "ImageFolder",
    "Meaning",
    "MeaningError",
    "Sentences",
    "Splits",
    "StackDataset",
    "Standardize",
    "Subset",
    "TableError",
    "Unlabelled",
    "Vocabulary",
    "augment",
    "batches",
    "corrupt",
    "fetch",
    "from_frame",
    "load_csv",
    "load_digits_sample",
    "load_fashion_mnist",
    "load_idx",
    "load_mnist",
    "load_sentences",
    "read_sentences",
    "replace_words",
    "save_idx",
    "split",
    "swap_patches",
    "tokenize",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = later(
        __name__,
        __all__,
        {
            "minidnn.data.digits": "load_digits_sample",
            "minidnn.data.fashion_mnist": "load_fashion_mnist",
            "minidnn.data.fetching": "DownloadError",
            "minidnn.data.frames": "from_frame",
            "minidnn.data.idx": "IdxError load_idx save_idx",
            "minidnn.data.images": "ImageError ImageFolder",
            "minidnn.data.mnist": "load_mnist",
            "minidnn.data.sources": "fetch",
            "minidnn.data.splitting": "split",
            "minidnn.data.stacking": "StackDataset",
            "minidnn.data.standardize": "Standardize",
            "minidnn.data.tables": "TableError load_csv",
            "minidnn.data.unlabelled": "Unlabelled",
        },
        "augment",
    )
