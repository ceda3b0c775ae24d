"""The model zoo: added models are loaded unchanged, damage is reported by name, and nothing is lost."""

import dataclasses
import errno
import hashlib
import json
import multiprocessing
import os
import threading

import numpy as np
import pytest
from kit import CHECKOUT
from kit.small_zoo import CARD, files, network, own_catalogue

import minidnn
from minidnn import zoo
from minidnn.zoo import Card, Catalogue, ZooError, cards, catalogue


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    return own_catalogue(tmp_path, monkeypatch)


# Add, list, search, load, remove


def test_an_added_model_is_loaded_unchanged(folder):
    model = network()
    card = zoo.add(model, CARD)
    assert card.architecture == "Dense 4-3 elu, Dense 3-2"
    assert card.size == (folder / card.file).stat().st_size and len(card.date) == 10
    assert zoo.card("tiny-elu") == card and card in zoo.list()
    loaded = zoo.load("tiny-elu")
    assert not loaded.training
    assert all(np.array_equal(loaded.state_dict()[path], array) for path, array in model.state_dict().items())
    assert zoo.path("tiny-elu") == folder / card.file


def test_search_finds_the_beginnings_of_words_in_any_field():
    zoo.add(network(), CARD)
    zoo.add(network(), Card(**CARD | {"name": "other", "description": "of Clevert's"}))
    assert [card.name for card in zoo.search("made ELU toy")] == ["other", "tiny-elu"]
    assert [card.name for card in zoo.search("clevert test_accuracy")] == ["other"]
    assert not zoo.search("made gelu")
    assert len(zoo.search("")) == len(zoo.list())
    assert [card.name for card in zoo.search("digits elu")] == ["mnist-elu-bn"]  # not relu, not selu


def test_a_model_is_only_replaced_on_request(folder):
    first = zoo.add(network(0), CARD)
    with pytest.raises(ZooError, match=r"tiny-elu is in .* already; replace=True replaces it"):
        zoo.add(network(1), CARD)
    assert zoo.card("tiny-elu") == first
    second = zoo.add(network(1), CARD, replace=True)
    assert zoo.card("tiny-elu") == second != first
    assert files(folder) == [second.file, "zoo.json"]
    zoo.add(network(1), CARD, replace=True)  # the same bytes: its file must not be deleted
    zoo.load("tiny-elu")


def test_the_users_catalogue_takes_precedence_over_the_package():
    name = catalogue.shipped().cards()[0].name
    with pytest.raises(ZooError, match=f"{name} is a model of the package; replace=True"):
        zoo.add(network(), CARD | {"name": name})
    zoo.add(network(), CARD | {"name": name}, replace=True)
    assert zoo.card(name).data == "made up"
    assert [card.name for card in zoo.list()].count(name) == 1
    zoo.remove(name)
    assert zoo.card(name).data != "made up"


def test_removal(folder):
    zoo.add(network(), CARD)
    assert zoo.remove("tiny-elu").name == "tiny-elu"
    assert files(folder) == ["zoo.json"]
    for action in (zoo.remove, zoo.load, zoo.card, zoo.path):
        with pytest.raises(ZooError, match="there is no"):
            action("tiny-elu")
    with pytest.raises(ZooError, match=f"there are .*{catalogue.shipped().cards()[0].name}"):
        zoo.load("tiny-elu")


def test_the_folder_of_the_users_catalogue(monkeypatch, tmp_path):
    monkeypatch.delenv("MINIDNN_ZOO")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if os.name == "posix":
        assert catalogue.user_folder() == tmp_path / "minidnn" / "zoo"
        monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")  # must be ignored, as the specification says
        monkeypatch.setenv("HOME", str(tmp_path))
        assert catalogue.user_folder().is_absolute() and tmp_path in catalogue.user_folder().parents


# Damage


def test_files_that_are_missing_or_tampered_with(folder):
    card = zoo.add(network(), CARD)
    path = folder / card.file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for action in (zoo.load, zoo.path):
        with pytest.raises(ZooError, match="was changed: its SHA-256 is"):
            action("tiny-elu")
    path.unlink()
    with pytest.raises(ZooError, match=r"tiny-elu: its file .* is missing"):
        zoo.load("tiny-elu")
    assert card in zoo.list()  # the card can still be read
    zoo.add(network(), CARD, replace=True)
    zoo.load("tiny-elu")


def test_a_file_that_is_no_model(folder):
    content = b"no model at all"
    card = Card(**CARD, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    with pytest.raises(ZooError, match="tiny-elu: the card's checksum or size does not match the file"):
        Catalogue(folder).take(b"another", card)
    Catalogue(folder).take(content, card)
    with pytest.raises(ZooError, match=r"tiny-elu: .*is not a whole \.safetensors file"):
        zoo.load("tiny-elu")


def test_a_damaged_manifest_is_not_changed(folder):
    zoo.add(network(), CARD)
    manifest = folder / "zoo.json"
    whole = manifest.read_bytes()
    for damaged in (b"", whole[:-30], b"\xff" * 100, whole.replace(b'"size"', b'"sise"')):
        manifest.write_bytes(damaged)
        for action in (zoo.list, lambda: zoo.add(network(), CARD | {"name": "b"}), lambda: zoo.remove("tiny-elu")):
            with pytest.raises(ZooError, match=r"zoo\.json"):
                action()
        assert manifest.read_bytes() == damaged
    manifest.write_bytes(whole)
    zoo.load("tiny-elu")


def test_a_full_disk_leaves_the_catalogue_unchanged(folder, monkeypatch):
    zoo.add(network(), CARD)
    before, names = (folder / "zoo.json").read_bytes(), files(folder)
    real = os.fsync
    for failing in (0, 2):  # the model's file, the manifest
        calls = iter(range(100))

        def fsync(descriptor, failing=failing, calls=calls):
            if next(calls) == failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="No space left"):
            zoo.add(network(1), CARD, replace=True)
        monkeypatch.setattr(os, "fsync", real)
        assert (folder / "zoo.json").read_bytes() == before and set(names) <= set(files(folder))
        zoo.load("tiny-elu")


ENTRY = dataclasses.asdict(Card(**CARD, sha256="0" * 64, size=10, date="2017-03-13"))


def manifest(entry=None, **changed):
    return {"version": 1, "models": [(ENTRY if entry is None else entry) | changed]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[" * 100_000, "is not a manifest"),
        ('{"version": 1, "models": ' + "[" * 100_000, "is not a manifest"),
        ('{"version": 1, "models": [], "models": []}', "a key occurs twice"),
        ('{"version": 1, "models": [], "size": 1' + "0" * 5000 + "}", "is not a manifest"),
        (" " * (cards.LARGEST + 1), "a manifest has at most"),
        ([], "must have the keys version and models"),
        ({"version": 2, "models": []}, "is of version 2, this release of minidnn reads version 1"),
        ({"version": 1, "models": {}}, "models must be a list"),
        ({"version": 1, "models": [3]}, r"models\[0\] is a int, must be a card"),
        ({"version": 1, "models": [ENTRY, ENTRY]}, "tiny-elu is listed twice"),
        ({"version": 1, "models": [{}] * (cards.MOST + 1)}, "at most"),
        (manifest({"name": "a"}), r"models\[0\] lacks architecture, lacks data"),
        (manifest(colour="red"), "has an unknown 'colour'"),
        (manifest(name="../../etc/passwd"), r"models\[0\]: '../../etc/passwd' is not a valid model name"),
        (manifest(name="a/b"), "is not a valid model name"),
        (manifest(name="a..b"), "is not a valid model name"),
        (manifest(name=".a"), "is not a valid model name"),
        (manifest(name="A"), "is not a valid model name"),
        (manifest(name="a\n"), "is not a valid model name"),
        (manifest(name="a" * 65), "is not a valid model name"),
        (manifest(name=None), "None is not a valid model name"),
        (manifest(task=3), "task is a int, must be text"),
        (manifest(task=""), "task is empty"),
        (manifest(data="x" * 3000), "data has 3000 characters, at most 2000"),
        (manifest(data="\x1b[31mred"), "data holds characters that cannot be printed"),
        (manifest(data="\ud800"), "data holds characters that cannot be printed"),
        (manifest(architecture="a\nb"), "architecture holds characters"),
        (manifest(metrics=[1]), "metrics must be numbers by name"),
        (manifest(metrics={"a": "1"}), "metrics.a is '1', must be a finite number"),
        (manifest(metrics={"a": True}), "metrics.a is True"),
        (manifest(metrics={"a": float("nan")}), "NaN is not JSON"),
        (manifest(metrics={"a": 10**400}), "must be a finite number"),
        (manifest(metrics={"\x07": 1}), "metrics holds characters"),
        (manifest(tags="toy"), "tags must be words"),
        (manifest(tags=[1]), "tags is a int, must be text"),
        (manifest(sha256="0" * 63), "sha256 must be 64 hexadecimal digits"),
        (manifest(sha256="../" + "0" * 61), "sha256 must be"),
        (manifest(sha256=""), "has no checksum or no size"),
        (manifest(size=-1), "size is -1"),
        (manifest(size=1.5), "size is 1.5"),
        (manifest(size=True), "size is True"),
        (manifest(date="yesterday"), "date is 'yesterday', must be like 2017-03-13"),
    ],
)
def test_a_hostile_manifest_is_refused(folder, document, message):
    folder.mkdir()
    (folder / "zoo.json").write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(ZooError, match=message) as error:
        zoo.list()
    assert len(str(error.value)) < 500 and "\x1b" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "a\\b", "", ".", "..", "a b", "é", "con:", "x" * 99, 3, None]
)
def test_names_that_lead_elsewhere_are_refused(folder, name):
    for action in (zoo.load, zoo.card, zoo.path, zoo.remove, lambda name: zoo.get(name, "http://127.0.0.1:1")):
        with pytest.raises(ZooError, match="is not a valid model name"):
            action(name)
    with pytest.raises(ZooError, match="is not a valid model name"):
        zoo.add(network(), CARD | {"name": name})
    assert not folder.exists() or files(folder) == []


@pytest.mark.parametrize(
    ("card", "error", "message"),
    [
        ({"name": "a"}, ZooError, "the card is invalid: missing 4 required keyword-only arguments: 'task'"),
        (CARD | {"colour": "red"}, ZooError, "unexpected keyword argument 'colour'"),
        (CARD | {"licence": ""}, ZooError, "licence is empty"),
        (CARD | {"metrics": {"loss": float("inf")}}, ZooError, "metrics.loss is inf"),
        ("tiny", TypeError, "card must be a Card or its fields, got str"),
    ],
)
def test_invalid_cards_are_refused(folder, card, error, message):
    with pytest.raises(error, match=message):
        zoo.add(network(), card)
    assert not folder.exists()


def test_a_full_catalogue_refuses_another_model(folder, monkeypatch):
    monkeypatch.setattr(cards, "MOST", 8)
    for name in "abcdefgh":
        zoo.add(network(), CARD | {"name": name})
    with pytest.raises(ZooError, match="this catalogue is full"):
        zoo.add(network(), CARD | {"name": "i"})
    assert set("abcdefgh") <= {card.name for card in zoo.list()}


# Several at once


def add_many(folder, start):
    os.environ["MINIDNN_ZOO"] = str(folder)
    for i in range(start, start + 5):
        zoo.add(network(i), CARD | {"name": f"model-{i}"})


def test_models_added_by_processes_and_threads_at_once_are_all_kept(folder):
    context = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
    workers = [context.Process(target=add_many, args=(folder, 10 * i)) for i in range(3)]
    workers += [threading.Thread(target=add_many, args=(folder, 10 * i)) for i in range(3, 6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    names = {f"model-{10 * i + j}" for i in range(6) for j in range(5)}
    assert {card.name for card in Catalogue(folder).cards()} == names
    for name in sorted(names)[::7]:
        zoo.load(name)


def test_readers_see_the_old_or_the_new_model_while_it_is_replaced(folder):
    zoo.add(network(0), CARD)
    known = [network(i).state_dict()["hidden1.kernel"].tobytes() for i in range(2)]
    stop = threading.Event()

    def replace():
        for i in range(20):
            zoo.add(network(i % 2), CARD, replace=True)
        stop.set()

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        while not stop.is_set():
            assert zoo.load("tiny-elu").state_dict()["hidden1.kernel"].tobytes() in known
    finally:
        writer.join()


# What is inside the package


@pytest.mark.parametrize("card", catalogue.shipped().cards(), ids=lambda card: card.name)
def test_a_shipped_model_has_the_accuracy_on_its_card(card):
    assert card.size < 1_200_000
    model = zoo.load(card.name)
    test = (minidnn.data.load_mnist() if "mnist" in card.tags else minidnn.data.load_digits_sample()).test
    assert minidnn.training.evaluate(model, test).accuracy == pytest.approx(card.metrics["test_accuracy"], abs=5e-4)


@pytest.mark.parametrize("card", catalogue.shipped().cards(), ids=lambda card: card.name)
def test_saving_a_shipped_model_writes_the_same_bytes(card):
    path = zoo.path(card.name)
    content = path.read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content), path.name) == (card.sha256, card.size, card.file)
    assert minidnn.models.saving.to_bytes(minidnn.load(path)) == content


def test_a_changed_model_with_a_matching_card_is_refused(tmp_path):
    copy = Catalogue(tmp_path / "zoo")
    card = catalogue.shipped().find("digits-tiny")
    content = bytearray(zoo.path("digits-tiny").read_bytes())
    content[-1] ^= 1  # of a weight
    copy.take(bytes(content), dataclasses.replace(card, sha256=hashlib.sha256(content).hexdigest()))
    with pytest.raises(ZooError, match=r"digits-tiny: .* was changed by another program: its checksum differs"):
        copy.load(copy.find("digits-tiny"))


def test_the_package_ships_models():
    names = [card.name for card in catalogue.shipped().cards()]
    assert names == ["mnist-relu", "mnist-elu-bn", "mnist-selu-small", "digits-tiny"]


def test_the_page_has_the_numbers_of_the_cards():
    text = (CHECKOUT / "docs" / "zoo.md").read_text()
    for card in catalogue.shipped().cards():
        row = (
            f"| `{card.name}` | {card.architecture} | {card.metrics['test_accuracy']:.4f} | {card.size / 1000:.0f} kB |"
        )
        assert row in text
