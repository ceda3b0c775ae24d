"""A small model with its card, and a user's catalogue, for the tests of the zoo."""

import minidnn
from minidnn import nn

CARD = {
    "name": "tiny-elu",
    "task": "classification of nothing",
    "data": "made up",
    "metrics": {"test_accuracy": 0.5},
    "licence": "CC0-1.0",
    "tags": ["toy"],
}


def own_catalogue(tmp_path, monkeypatch):
    """The folder of the user's own catalogue from now on."""
    folder = tmp_path / "zoo"
    monkeypatch.setenv("MINIDNN_ZOO", str(folder))
    return folder


def network(seed=0):
    rng = minidnn.Generator(seed)
    return nn.Sequential(nn.Dense(4, 3, "elu", name="hidden1", rng=rng), nn.Dense(3, 2, name="outputs", rng=rng))


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")
