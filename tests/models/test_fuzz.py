"""Files of every kind, damaged in simple ways; the long form, guided by a fuzzer, is ``tests/fuzz/fuzz.py``."""

import functools
import json
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import TESTS
from safetensors.numpy import load, save

from minidnn.files import checksum

sys.path.insert(0, str(TESTS / "fuzz"))
import readers
import seeds

pytest.importorskip("PIL")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # warnings of Pillow before it raises
by_reader = pytest.mark.parametrize("name", readers.READERS)
quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@functools.cache
def every_seed():
    with tempfile.TemporaryDirectory() as folder:
        return list(seeds.of_every_reader(Path(folder)))


def seeds_of(name):
    found = [content for reader, content in every_seed() if reader == name]
    if name in ("model", "weights"):
        found += [seeds.without_checksum(content) for content in found]
    return found


@by_reader
def test_good_files_are_read(name, tmp_path):
    assert seeds_of(name)
    for content in seeds_of(name):
        readers.read(name, content, tmp_path)


@by_reader
def test_inputs_that_a_fuzzer_found(name, tmp_path):
    for path in sorted((seeds.CORPUS / name).glob("*")):
        readers.read(name, path.read_bytes(), tmp_path)


@by_reader
@quick
@given(chance=st.data())
def test_damaged_files(name, tmp_path, chance):
    content = bytearray(chance.draw(st.sampled_from(seeds_of(name))))
    for _ in range(chance.draw(st.integers(1, 4))):
        place = chance.draw(st.integers(0, max(len(content) - 1, 0)))
        match chance.draw(st.sampled_from(["flip", "cut", "insert", "repeat", "number"])):
            case "flip" if content:
                content[place] ^= 1 << chance.draw(st.integers(0, 7))
            case "cut":
                del content[place : place + chance.draw(st.integers(1, 200))]
            case "insert":
                content[place:place] = chance.draw(st.binary(max_size=20))
            case "repeat":
                content[place:place] = content[place : place + 40]
            case "number":  # a length that no file has
                content[place : place + 8] = chance.draw(
                    st.sampled_from([b"\xff" * 8, b"\x7f" + b"\xff" * 7, bytes(8)])
                )
    readers.read(name, bytes(content), tmp_path)


@by_reader
@quick
@given(content=st.binary(max_size=200))
def test_any_bytes(name, tmp_path, content):
    readers.read(name, content, tmp_path)


WORDS = st.sampled_from(
    ["Dense", "Sequential", "BatchNorm", "Dropout", "l2", "type", "n_in", "n_out", "layers", "rate"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", readers.DOCUMENTS)
@quick
@given(chance=st.data())
def test_documents_with_other_values_in_them(name, tmp_path, chance):
    """Valid ones in which values are replaced, exchanged or left out, still well-formed."""
    document = json.loads(chance.draw(st.sampled_from(seeds_of(name))))
    for _ in range(chance.draw(st.integers(1, 3))):
        if not (known := list(seeds.places(document))):
            break
        (holder, key), (other, place) = chance.draw(st.sampled_from(known)), chance.draw(st.sampled_from(known))
        match chance.draw(st.sampled_from(["replace", "exchange", "drop"])):
            case "replace":
                holder[key] = chance.draw(VALUES)
            case "exchange":
                holder[key] = json.loads(json.dumps(other[place]))  # a copy, so that nothing holds itself
            case "drop":
                del holder[key]
    readers.read(name, json.dumps(document).encode(), tmp_path)


@quick
@given(architecture=VALUES)
def test_any_architecture(tmp_path, architecture):
    header = {"version": 1, "architecture": architecture}
    readers.read("model", save({}, {"minidnn": json.dumps(header)}), tmp_path)


@quick
@given(
    state=st.dictionaries(st.sampled_from(["run", "position", "history", "callback.0", "generator.default"]), VALUES)
)
def test_any_state_behind_a_right_checksum(tmp_path, state):
    """A forged checkpoint: a complete file that this package has not written."""
    good = seeds_of("checkpoint")[0]
    content = json.loads(json.loads(seeds.metadata_of(good)["minidnn-run"])["text"])
    content["state"] |= state
    text, arrays = json.dumps(content), load(good)
    own = {"text": text, "sha256": checksum(text, arrays)}
    readers.read("checkpoint", save(arrays, {"minidnn-run": json.dumps(own)}), tmp_path)
