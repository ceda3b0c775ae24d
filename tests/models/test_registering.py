"""User-defined layers in a file."""

import runpy

import numpy as np
import pytest
from kit import CHECKOUT

import minidnn
from minidnn import nn, ops
from minidnn.models import CheckpointError
from minidnn.nn import registering

X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
EXAMPLE = CHECKOUT / "examples" / "own_layer.py"


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(registering, "REGISTERED", {})
    monkeypatch.setattr("minidnn.models.registry.REGISTERED", registering.REGISTERED)


class Scaled(nn.Module):
    def __init__(self, n, inner=None, factor=2.0, name=None):
        self.n, self.inner, self.factor, self.name = n, inner, factor, name
        self.gain = nn.Parameter(minidnn.Generator(n).normal((n,)))
        self.seen = minidnn.Tensor(np.zeros(n, np.float32))

    def forward(self, x):
        x = x if self.inner is None else self.inner(x)
        return (x + self.seen) * self.gain * self.factor


def test_parameters_buffers_arguments_and_shared_parts_come_back(tmp_path):
    nn.register(Scaled)
    shared = nn.Dense(4, 4, "tanh")
    model = nn.Sequential(Scaled(4, shared, factor=np.float32(0.5)), shared, Scaled(4, name="last"))
    model[0].seen.data[...] = [1, 2, 3, 4]
    model[2].gain.data[...] = -1
    state = minidnn.get_rng_state()
    minidnn.save(model, tmp_path / "m.safetensors")
    assert minidnn.get_rng_state() == state
    back = minidnn.load(tmp_path / "m.safetensors")
    assert isinstance(back[0], Scaled) and back[0].inner is back[1] and back[0].factor == 0.5
    assert back(X).data.tobytes() == model.eval()(X).data.tobytes()


def test_the_error_for_an_unregistered_layer_names_the_remedy(tmp_path):
    nn.register(Scaled)
    minidnn.save(Scaled(4), tmp_path / "m.safetensors")
    registering.REGISTERED.clear()
    with pytest.raises(CheckpointError, match=r"type 'Scaled', which minidnn does not know; .*@nn\.register"):
        minidnn.load(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"put @nn\.register above class Scaled.*architecture=False"):
        minidnn.save(nn.Sequential(Scaled(4)), tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


def test_names():
    with pytest.raises(ValueError, match=r"register: name 'Dense' is taken by nn\.Dense; give another"):
        nn.register(Scaled, name="Dense")
    assert nn.register(name="mine.Scaled")(Scaled) is Scaled
    assert nn.register(Scaled, name="mine.Scaled") is Scaled  # again, as in a notebook
    other = type("Scaled", (nn.Module,), {"__module__": "elsewhere"})
    with pytest.raises(ValueError, match=r"is taken by .*test_registering\.Scaled"):
        nn.register(other, name="mine.Scaled")
    with pytest.raises(TypeError, match=r"layer is .*, must be a subclass of nn\.Module"):
        nn.register(len)


def test_a_layer_that_cannot_be_rebuilt_from_its_arguments_is_not_saved(tmp_path):
    @nn.register
    class Forgets(nn.Module):
        def __init__(self, n):
            self.weight = nn.Parameter(np.zeros(n, np.float32))

        def forward(self, x):
            return x * self.weight

    @nn.register
    class Listed(nn.Module):
        def __init__(self, n):
            self.n = n
            self.parts = [nn.Parameter(np.zeros(n, np.float32)) for _ in range(2)]

        def forward(self, x):
            return x * self.parts[0] + self.parts[1]

    with pytest.raises(ValueError, match=r"Forgets cannot be built.*'n'"):
        minidnn.save(Forgets(3), tmp_path / "m.safetensors")
    listed = Listed(3)
    minidnn.save(listed, tmp_path / "m.safetensors")
    assert minidnn.load(tmp_path / "m.safetensors").state_dict().keys() == {"parts.0", "parts.1"}
    listed.parts[1] = listed.parts[0]
    with pytest.raises(ValueError, match=r"parts\.1 is absent"):
        minidnn.save(listed, tmp_path / "m.safetensors")


def test_a_name_that_only_minidnn_has_outside_of_nn_cannot_be_saved(tmp_path):
    own = nn.register(type("RBM", (nn.Module,), {"forward": lambda self, x: ops.relu(x)}))
    with pytest.raises(ValueError, match="has no name in a file"):
        minidnn.save(own(), tmp_path / "m.safetensors")


def test_the_example(tmp_path):
    assert len(EXAMPLE.read_text().splitlines()) <= 60
    outputs, labels = runpy.run_path(str(EXAMPLE))["main"](tmp_path, epochs=4)
    assert {"trained", "loaded", "compiled"} <= outputs.keys()
    assert outputs["loaded"].tobytes() == outputs["trained"].tobytes()
    assert (outputs["trained"].argmax(axis=1) == labels).mean() > 0.7
    for scores in outputs.values():
        np.testing.assert_allclose(scores, outputs["trained"], rtol=1e-4, atol=1e-4)
