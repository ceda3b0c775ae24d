"""Real data, and batches of it."""

from minidnn.data import augment
from minidnn.data.batches import batches
from minidnn.data.corrupt import corrupt, replace_words, swap_patches
from minidnn.data.datasets import ArrayDataset, Dataset, Splits, Subset
from minidnn.data.digits import load_digits_sample
from minidnn.data.fashion_mnist import load_fashion_mnist
from minidnn.data.fetching import DownloadError
from minidnn.data.frames import from_frame
from minidnn.data.idx import IdxError, load_idx, save_idx
from minidnn.data.images import ImageError, ImageFolder
from minidnn.data.meaning import Column, Meaning, MeaningError
from minidnn.data.mnist import load_mnist
from minidnn.data.sources import fetch
from minidnn.data.splitting import split
from minidnn.data.stacking import StackDataset
from minidnn.data.standardize import Standardize
from minidnn.data.tables import TableError, load_csv
from minidnn.data.text import Sentences, Vocabulary, load_sentences, read_sentences, tokenize
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
