"""Sentences as word indices."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minidnn.checks import positive_integer
from minidnn.data.types import Indices

WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
PADDING, UNKNOWN = 0, 1
FIRST = 2
"""The lowest number that is a word of the vocabulary."""


def tokenize(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation: ``"It's late, he said."`` has it's, late, he, said."""
    return WORD.findall(text.lower())


def read_sentences(path: str | os.PathLike[str]) -> list[list[str]]:
    """The sentences of a text file (UTF-8) as lists of words; a sentence ends at ``. ! ?`` or at an empty line.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8.
    """
    try:
        text = Path(path).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"read_sentences: {path} is not UTF-8: {error}") from error
    parts = re.split(r"[.!?]+(?=\s|$)|\n\s*\n", text)
    return [words for part in parts if (words := tokenize(part))]


class Sentences(NamedTuple):
    """Sentences with what each is about.

    Attributes:
        words: each sentence as a list of words.
        labels: int64, the number of its topic.
        topics: their names.
    """

    words: list[list[str]]
    labels: Indices
    topics: tuple[str, ...]


def load_sentences() -> Sentences:
    """8,000 English sentences on eight topics, which this project wrote itself by a grammar.

    Real words, but not real language: see ``minidnn/data/sentences/README.md``.
    """
    from importlib.resources import files  # slow to import

    lines = (files("minidnn.data.sentences") / "sentences.tsv").read_text("utf-8").splitlines()
    pairs = [line.split("\t") for line in lines]
    topics = tuple(dict.fromkeys(topic for topic, _ in pairs))
    labels = np.array([topics.index(topic) for topic, _ in pairs], np.int64)
    return Sentences([tokenize(sentence) for _, sentence in pairs], labels, topics)


class Vocabulary:
    """The words of a text by number, the most frequent first (those of one count in the order of the alphabet).

    Number 0 pads sentences, number 1 stands for every word that is not in the vocabulary; words begin at 2.

    Args:
        sentences: lists of words.
        size: keep the most frequent words only; all where it is None.
        max_share: words that occur in a larger share of the sentences (the, a, and ...) say little about the topic:
            they are left out of the vocabulary and of encoded sentences.

    Attributes:
        words: the words; that of number i is ``words[i - 2]``.
        counts: how often each word occurs.
        left_out: the words that are too frequent.

    Raises:
        TypeError, ValueError: no words (or none left), size < 1, max_share not in [0, 1].
    """

    def __init__(self, sentences: Iterable[Sequence[str]], size: int | None = None, max_share: float = 1.0) -> None:
        counted, within, n = Counter[str](), Counter[str](), 0
        for sentence in sentences:
            counted.update(sentence)
            within.update(set(sentence))
            n += 1
        if not 0.0 <= max_share <= 1.0:
            raise ValueError(f"Vocabulary: max_share must be in [0, 1], got {max_share}")
        self.left_out = frozenset(word for word, count in within.items() if count > max_share * n)
        kept = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
        kept = [pair for pair in kept if pair[0] not in self.left_out]
        kept = kept[: None if size is None else positive_integer("Vocabulary", "size", size)]
        if not kept:
            raise ValueError(f"Vocabulary: {n} sentences with {len(counted)} words, of which none is left")
        self.words = tuple(word for word, _ in kept)
        self.counts = tuple(count for _, count in kept)
        self._numbers = {word: number for number, word in enumerate(self.words, start=FIRST)}

    def __len__(self) -> int:
        """How many numbers there are, 0 and 1 included: ``n_in`` of an `nn.EmbeddingBag`."""
        return len(self.words) + FIRST

    def __repr__(self) -> str:
        return f"Vocabulary({len(self.words)} words)"

    def __contains__(self, word: object) -> bool:
        return word in self._numbers

    def number(self, word: str) -> int:
        """The number of a word, 1 where it is unknown."""
        return self._numbers.get(word, UNKNOWN)

    def encode(self, sentences: Sequence[Sequence[str]], width: int | None = None) -> Indices:
        """int64 (sentences, width): the numbers of their words, filled with 0 to the right.

        Args:
            width: that of the longest sentence where it is None; longer sentences lose their end.

        Raises:
            ValueError: width < 1.
        """
        rows = [[self.number(word) for word in sentence if word not in self.left_out] for sentence in sentences]
        longest = max(map(len, rows), default=0)
        width = max(longest, 1) if width is None else positive_integer("encode", "width", width)
        numbers = np.full((len(rows), width), PADDING, np.int64)
        for to, row in zip(numbers, rows, strict=True):
            to[: len(row)] = row[:width]
        return numbers

    def decode(self, numbers: Any) -> list[str]:
        """The words of one row; ``?`` for the unknown.

        Args:
            numbers: integers (width,).

        Raises:
            TypeError: not integers.
            ValueError: not one row, or a number that the vocabulary does not have.
        """
        numbers = np.asarray(numbers)
        if numbers.size and numbers.dtype.kind not in "iu":
            raise TypeError(f"decode: numbers must be integers, got an array of {numbers.dtype}")
        if numbers.ndim != 1:
            raise ValueError(f"decode: numbers has shape {numbers.shape}, must be (width,)")
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise ValueError(f"decode: numbers must be in [0, {len(self)}), got {numbers.min()} to {numbers.max()}")
        return [self.words[n - FIRST] if n >= FIRST else "?" for n in numbers.tolist() if n != PADDING]
