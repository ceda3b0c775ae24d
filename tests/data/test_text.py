"""Sentences, vocabularies, and the shipped text."""

import numpy as np
import pytest

from minidnn import data
from minidnn.data.sentences import grammar
from minidnn.random import Generator

SENTENCES = [["the", "cat", "sat"], ["the", "dog", "ate", "the", "cat"], ["dogs"]]


def test_tokenize():
    assert data.tokenize('It\'s late -- he said; "GO!" x-ray, 3 naïve') == [
        "it's",
        "late",
        "he",
        "said",
        "go",
        "x-ray",
        "3",
        "naïve",
    ]
    assert data.tokenize(" .,") == []


def test_a_file_is_split_into_sentences(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("One two. Three\nfour?  Pi is 3.14!\n\nA heading\n\n \nlast", "utf-8")
    sentences = [" ".join(words) for words in data.read_sentences(path)]
    assert sentences == ["one two", "three four", "pi is 3 14", "a heading", "last"]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"read_sentences: .*text\.txt is not UTF-8"):
        data.read_sentences(path)


def test_a_vocabulary_numbers_words_from_two_by_frequency():
    vocabulary = data.Vocabulary(SENTENCES)
    assert vocabulary.words == ("the", "cat", "ate", "dog", "dogs", "sat") and vocabulary.counts == (3, 2, 1, 1, 1, 1)
    assert len(vocabulary) == 8 and "cat" in vocabulary and "cow" not in vocabulary
    assert vocabulary.encode([["cat", "cow", "the"], []]).tolist() == [[3, 1, 2], [0, 0, 0]]
    assert vocabulary.encode([["the", "cat"]], width=1).tolist() == [[2]]
    assert vocabulary.decode(np.array([3, 1, 2, 0])) == ["cat", "?", "the"]
    assert vocabulary.encode([]).shape == (0, 1)


def test_frequent_words_can_be_left_out():
    vocabulary = data.Vocabulary(SENTENCES, size=2, max_share=0.5)
    assert vocabulary.left_out == {"the", "cat"} and vocabulary.words == ("ate", "dog")
    assert vocabulary.encode(SENTENCES).tolist() == [[1, 0], [3, 2], [1, 0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.Vocabulary([]), "0 sentences with 0 words"),
        (lambda: data.Vocabulary(SENTENCES, max_share=0.0), "none is left"),
        (lambda: data.Vocabulary(SENTENCES, max_share=1.5), r"max_share must be in \[0, 1\]"),
        (lambda: data.Vocabulary(SENTENCES, size=0), "size must be at least 1"),
        (lambda: data.Vocabulary(SENTENCES).encode(SENTENCES, width=0), "width must be at least 1"),
        (lambda: data.Vocabulary(SENTENCES).decode(np.array([8])), r"must be in \[0, 8\), got 8 to 8"),
    ],
)
def test_invalid_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_shipped_sentences_come_from_the_grammar():
    text = data.load_sentences()
    assert len(text.words) == len(text.labels) == 8000 and text.topics == tuple(grammar.TOPICS)
    assert np.bincount(text.labels).tolist() == [1000] * 8
    for i, (topic, sentence) in enumerate(grammar.write(400, Generator(1959))):
        assert text.words[i] == data.tokenize(sentence) and text.topics[text.labels[i]] == topic


def test_sentences_have_words_of_their_topic_and_common_ones():
    common = {word for words in grammar.COMMON.values() for word in data.tokenize(words.replace("_", " "))}
    plain = {word for rules in grammar.RULES.values() for rule in rules for word in rule.split()} | {"an"}
    text = data.load_sentences()
    for words, label in zip(text.words[:800], text.labels, strict=False):
        own = " ".join(grammar.TOPICS[text.topics[label]].values()).replace("_", " ").split()
        assert set(words) <= common | plain | set(own)
