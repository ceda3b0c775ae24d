"""User-defined modules: printed, saved by weights, copied, trained, checkpointed."""

import copy

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, ops, optim, reuse, training


class NoInit(nn.Module):
    def forward(self, x):
        return ops.relu(x)


class OtherName(nn.Module):
    def __init__(self, width, gain=2.0):
        self.n, self._scale = width, gain
        self.weight = nn.Parameter(np.ones((3, width), np.float32))

    def forward(self, x):
        return ops.matmul(x, self.weight) * self._scale


class Star(nn.Module):
    def __init__(self, *parts, **options):
        self.parts = list(parts)
        self.options = options

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


class AnArray(nn.Module):
    def __init__(self, table=None, name=None):
        self.table, self.name = table, name
        self.kernel = nn.Parameter(np.array(table, np.float32))

    def forward(self, x):
        return ops.matmul(x, self.kernel)


class KeywordOnly(nn.Module):
    def __init__(self, *, rate):
        self.rate = rate

    def forward(self, x):
        return x * self.rate


class NoSuper(nn.Module):
    part = None  # a class attribute

    def __init__(self, part):
        self.part = part

    def forward(self, x):
        return self.part(x)


class OtherConfig(nn.Module):
    """Its `config` has a key that its constructor does not take."""

    def __init__(self, rate):
        self._factor = rate

    def config(self):
        return {"factor": self._factor}

    def forward(self, x):
        return x * self._factor


TABLE = np.arange(9, dtype=np.float32).reshape(3, 3)
MODULES = {
    "without __init__": (NoInit, "NoInit()"),
    "another name": (lambda: OtherName(3), "OtherName()"),
    "star": (lambda: Star(nn.Dense(3, 3), mode=1), None),
    "an array": (lambda: AnArray(TABLE, name="t"), None),
    "keyword only": (lambda: KeywordOnly(rate=0.5), "KeywordOnly(rate=0.5)"),
    "another config": (lambda: OtherConfig(0.5), "OtherConfig(factor=0.5)"),
    "a part": (lambda: NoSuper(nn.Dense(3, 3)), "NoSuper(part=Dense(n_in=3, n_out=3))"),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_of_the_users_can_be_used_like_others(name, tmp_path):
    make, shown = MODULES[name]
    module = make()
    assert repr(module).startswith(f"{type(module).__name__}(")
    if shown is not None:
        assert repr(module) == shown
    model = nn.Sequential(module, nn.Dense(3, 2, name="outputs"))
    assert type(module).__name__ in repr(model)
    path = tmp_path / "weights.safetensors"
    minidnn.save(model, path, architecture=False)
    other = nn.Sequential(make(), nn.Dense(3, 2, name="outputs"))
    minidnn.load(path, into=other)
    x = np.random.default_rng(1).random((4, 3), np.float32)
    for again in (other, copy.deepcopy(model), reuse.drop_top(nn.Sequential(*model, nn.Dense(2, 2)))):
        np.testing.assert_array_equal(again(x).data, model(x).data)
    with pytest.raises(ValueError, match="has no name in a file"):
        minidnn.save(model, path)


@pytest.mark.parametrize("name", MODULES)
def test_a_run_with_it_is_resumed(name, tmp_path):
    make, _ = MODULES[name]
    train = data.ArrayDataset(np.arange(24, dtype=np.float32).reshape(8, 3), np.arange(8) % 2)

    def run(folder, epochs, resume=None):
        minidnn.manual_seed(3)
        model = nn.Sequential(make(), nn.Dense(3, 2))
        optimizer = optim.SGD(model.parameters(), 0.01)
        callbacks = [training.Checkpoint(folder)]
        options = {"epochs": epochs, "batch_size": 4, "progress": False, "callbacks": callbacks, "resume": resume}
        training.fit(model, train, optimizer=optimizer, **options)
        return {path: array.tobytes() for path, array in model.state_dict().items()}

    whole = run(tmp_path / "whole", 3)
    run(tmp_path / "cut", 1)
    assert run(tmp_path / "cut", 3, resume=tmp_path / "cut") == whole
