"""Registries (catalogues behind a web server), and the command `minidnn zoo`."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from kit.server import serving
from kit.small_zoo import CARD, files, network, own_catalogue

import minidnn
from minidnn import zoo
from minidnn.cli import main
from minidnn.data.fetching import DownloadError
from minidnn.zoo import Catalogue, ZooError, cards


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    return own_catalogue(tmp_path, monkeypatch)


# Registries


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A catalogue behind a web server; tests change its answers in `server.pages`."""
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    remote = Catalogue(tmp_path / "remote")
    card = remote.add(network(), CARD)
    with serving() as server:
        for name in ("zoo.json", card.file):
            content = (remote.folder / name).read_bytes()
            server.pages[f"/models/{name}"] = lambda request, content=content: request.ranged(content)
        server.card, server.address = card, server.url("/models")
        yield server


def test_a_registry_is_a_folder_behind_a_web_server(registry, folder):
    assert zoo.list(registry.address) == [registry.card] == zoo.search("toy elu", registry.address + "/")
    assert zoo.get("tiny-elu", registry.address) == registry.card
    assert files(folder) == [registry.card.file, "zoo.json"]
    zoo.load("tiny-elu")
    with pytest.raises(ZooError, match="already"):
        zoo.get("tiny-elu", registry.address)
    assert zoo.get("tiny-elu", registry.address, replace=True) == registry.card
    with pytest.raises(ZooError, match="there is no other at http"):
        zoo.get("other", registry.address)


@pytest.mark.parametrize("fault", ["tampered", "cut", "endless", "missing"])
def test_a_downloaded_file_is_verified(registry, folder, fault):
    content = b"x" * registry.card.size
    answers = {
        "tampered": lambda request: request.ranged(content),
        "cut": lambda request: request.ranged(content, most=10),
        "endless": lambda request: request.ranged(content * 1000),
        "missing": lambda request: request.send_error(404),
    }
    registry.pages[f"/models/{registry.card.file}"] = answers[fault]
    with pytest.raises(DownloadError, match="could not be downloaded"):
        zoo.get("tiny-elu", registry.address)
    assert not folder.exists()


def test_invalid_registries_are_refused(registry):
    for address in ("file:///etc", "ftp://a.example", "models", "", "http://"):
        with pytest.raises(ZooError, match="must be an http or https address"):
            zoo.list(address)
    with pytest.raises(OSError, match="cannot be reached"):
        zoo.list(registry.url("/nothing"))
    registry.pages["/models/zoo.json"] = lambda request: request.ranged(b"[" * (cards.LARGEST + 10))
    with pytest.raises(ZooError, match="a manifest has at most"):
        zoo.list(registry.address)


# The command


def test_the_command(folder, tmp_path, capsys, registry):
    minidnn.save(network(), tmp_path / "m.safetensors")
    about = ["--task", "t", "--data", "d", "--licence", "MIT", "--metric", "test_accuracy=0.5", "--tag", "toy"]
    assert main(["zoo", "add", str(tmp_path / "m.safetensors"), "--name", "mine", *about]) == 0
    assert capsys.readouterr().out == "added mine: Dense 4-3 elu, Dense 3-2\n"
    assert main(["zoo", "list", "toy"]) == 0
    assert capsys.readouterr().out == "mine  Dense 4-3 elu, Dense 3-2  test_accuracy 0.5\n"
    assert main(["zoo", "list", "--json", "mine"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["metrics"] == {"test_accuracy": 0.5} and document["tags"] == ["toy"]
    assert main(["zoo", "show", "mine"]) == 0
    shown = capsys.readouterr().out
    assert "licence       MIT" in shown and "hidden1: Dense(n_in=4, n_out=3" in shown
    for suffix in ("safetensors", "onnx"):
        assert main(["zoo", "export", "mine", str(tmp_path / f"out.{suffix}")]) == 0
    x = np.ones((2, 4), np.float32)
    expected = network()(x).data
    assert np.array_equal(minidnn.load(tmp_path / "out.safetensors")(x).data, expected)
    assert np.array_equal(minidnn.convert.from_onnx(tmp_path / "out.onnx")(x).data, expected)
    assert main(["zoo", "get", "tiny-elu", "--registry", registry.address]) == 0
    assert main(["zoo", "list", "--registry", registry.address]) == 0
    assert main(["zoo", "remove", "mine"]) == 0
    capsys.readouterr()
    assert main(["zoo", "list", "nothing-of-the-kind"]) == 0
    assert capsys.readouterr().err == "no models with nothing-of-the-kind\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "none"], "minidnn zoo: there is no model none; there are "),
        (["show", "../x"], "minidnn zoo: '../x' is not a valid model name"),
        (["remove", "none"], "minidnn zoo: there is no none in"),
        (["export", "mnist-relu", "model.pt"], "minidnn zoo: model.pt must end in .safetensors or .onnx"),
        (["get", "x", "--registry", "file:///etc"], "minidnn zoo: registry is 'file:///etc', must be"),
    ],
)
def test_the_commands_errors_are_one_line(capsys, arguments, message):
    assert main(["zoo", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(message) and error.count("\n") == 1


def drip(content):
    """A server that sends a byte each time before the timeout."""

    def answer(request):
        request.head(200, len(content))
        for byte in content:
            request.wfile.write(bytes([byte]))
            request.wfile.flush()
            if request.server.closing.wait(0.02):
                return

    return answer


def test_a_slow_registry_is_abandoned_at_the_deadline(registry, folder, monkeypatch):
    whole, manifest = registry.pages[f"/models/{registry.card.file}"], registry.pages["/models/zoo.json"]
    monkeypatch.setattr("minidnn.zoo.registries.DEADLINE", 0.2)
    registry.pages["/models/zoo.json"] = drip(b" " * 10_000)
    with pytest.raises(OSError, match=r"cannot be reached: it sent .* bytes before the deadline"):
        zoo.list(registry.address)
    registry.pages["/models/zoo.json"] = manifest
    registry.pages[f"/models/{registry.card.file}"] = drip(b"x" * registry.card.size)
    with pytest.raises(DownloadError, match="before the deadline"):
        zoo.get("tiny-elu", registry.address)
    assert not folder.exists()
    registry.pages[f"/models/{registry.card.file}"] = whole
    zoo.get("tiny-elu", registry.address)


def test_a_model_that_is_too_large_is_not_requested(registry, monkeypatch):
    monkeypatch.setattr("minidnn.zoo.registries.MOST_BYTES", registry.card.size - 1)
    with pytest.raises(ZooError, match="bytes, at most"):
        zoo.get("tiny-elu", registry.address)
    assert [path for path, _ in registry.log] == ["/models/zoo.json"]


def test_a_file_that_holds_no_model_does_not_replace_one(registry, folder):
    zoo.get("tiny-elu", registry.address)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    junk = b"right checksum, but no model"
    other = dataclasses.replace(registry.card, sha256=hashlib.sha256(junk).hexdigest(), size=len(junk))
    registry.pages["/models/zoo.json"] = lambda request: request.ranged(cards.write_manifest([other]))
    registry.pages[f"/models/{other.file}"] = lambda request: request.ranged(junk)
    with pytest.raises(ZooError, match=f"tiny-elu at .* is not a model: load: {other.file} is not a whole"):
        zoo.get("tiny-elu", registry.address, replace=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
