"""`load` restores the bytes and the sharing of random models that were saved; or `save` refuses the model."""

import random

import numpy as np
import pytest

import minidnn
from minidnn import nn, zoo
from minidnn.models import registry
from minidnn.models.sharing import ties, unlike
from minidnn.zoo.catalogue import Catalogue

WIDTH = 4


def plain(chance):
    """A layer from WIDTH to WIDTH."""
    return chance.choice(
        [
            lambda: nn.Dense(WIDTH, WIDTH, chance.choice([None, "relu", "elu"]), kernel_regularizer=nn.l2(0.01)),
            lambda: nn.Dense(WIDTH, WIDTH, kernel_constraint=nn.max_norm(2.0)),
            lambda: nn.BatchNorm(WIDTH),
            lambda: nn.LayerNorm(WIDTH),
            lambda: nn.PReLU(WIDTH),
            lambda: nn.Dropout(0.3),
            lambda: nn.ELU(0.5),
            lambda: nn.Tanh(),
        ]
    )()


def part(chance, known, depth=0):
    """A layer, a block of layers, or a part that the model already contains."""
    kind = chance.random()
    if known and kind < 0.25:
        return chance.choice(known)
    if depth < 4 and kind < 0.5:
        inner = [part(chance, known, depth + 1) for _ in range(chance.randint(1, 3))]
        block = chance.choice([lambda: nn.Sequential(*inner), lambda: nn.Residual(nn.Sequential(*inner)), None])
        if block is None:
            nodes = [nn.Node(f"n{i}", layer, [f"n{i - 1}" if i else "x"]) for i, layer in enumerate(inner)]
            made = nn.Graph([*nodes, nn.Node("sum", nn.functions.add(), ["x", nodes[-1].name])])
        else:
            made = block()
    else:
        made = plain(chance)
    known.append(made)
    return made


def random_model(seed):
    """A model with shared layers, and sometimes with tied, replaced or otherwise changed parameters."""
    chance = random.Random(seed)
    minidnn.manual_seed(seed)
    known = []
    model = nn.Sequential(*(part(chance, known) for _ in range(chance.randint(1, 6))))
    dense = [m for _, m in model.named_modules() if isinstance(m, nn.Dense)]
    if len(dense) > 1 and chance.random() < 0.4:
        dense[-1].kernel = dense[0].kernel
    if dense and chance.random() < 0.2:
        dense[0].kernel = nn.Parameter(np.full((WIDTH, WIDTH), 0.5, chance.choice([np.float32, np.float64])))
    if dense and chance.random() < 0.1:
        dense[0].bias.regularizer = nn.l1(0.5)
    if dense and chance.random() < 0.1:
        dense[0].kernel = nn.Parameter(np.ones((WIDTH, WIDTH + 1), np.float32))
    for tensor in model.tensors().values():
        tensor.data = tensor.data + tensor.dtype.type(0.25) * chance.random()
    return model


def sharing(model):
    first = {}
    return [first.setdefault(id(module), path) for path, module in model.named_modules()], ties(model)


def bytes_of(model):
    return {path: (array.dtype, array.shape, array.tobytes()) for path, array in model.state_dict().items()}


def test_random_models_come_back_as_they_were_or_are_refused(tmp_path):
    path, refused, shared, tied = tmp_path / "model.safetensors", 0, 0, 0
    for seed in range(600):
        model = random_model(seed)
        state = minidnn.get_rng_state()
        try:
            minidnn.save(model, path)
        except ValueError as error:
            refused += 1
            assert "no file can describe this model" in str(error), seed
            assert not path.exists()
            continue
        loaded = minidnn.load(path)
        assert minidnn.get_rng_state() == state, "saving and loading draw nothing"
        assert bytes_of(loaded) == bytes_of(model), seed
        assert sharing(loaded) == sharing(model), seed
        assert unlike(loaded, model) is None
        before = path.read_bytes()
        minidnn.save(loaded, path)
        assert path.read_bytes() == before
        shared += len(set(sharing(model)[0])) < len(sharing(model)[0])
        tied += bool(ties(model))
        path.unlink()
    assert refused > 20 and shared > 200 and tied > 20


def test_a_layer_used_twice_is_one_object_after_loading(tmp_path):
    shared = nn.Dense(16, 16, "relu")
    model = nn.Sequential(nn.Dense(64, 16, "relu"), shared, shared, nn.Dense(16, 10))
    minidnn.save(model, tmp_path / "model.safetensors")
    loaded = minidnn.load(tmp_path / "model.safetensors")
    assert loaded[1] is loaded[2] and loaded[0] is not loaded[1]
    x = np.random.default_rng(1).random((5, 64), np.float32)
    np.testing.assert_array_equal(loaded(x).data, model.eval()(x).data)


def test_a_model_without_sharing_has_no_ids_in_its_file(tmp_path):
    """The header of such a file has neither ids nor ties."""
    model = nn.Sequential(nn.Dense(3, 2), nn.Residual(nn.Dense(2, 2)))
    text = str(registry.describe(model))
    assert "'id'" not in text and "'same'" not in text


def test_a_catalogue_keeps_a_shared_layer(tmp_path):
    shared = nn.Dense(4, 4, "relu")
    catalogue = Catalogue(tmp_path)
    fields = {"name": "shared", "task": "none", "data": "none", "metrics": {}, "licence": "CC0-1.0"}
    card = catalogue.add(nn.Sequential(shared, shared), fields)
    loaded = catalogue.load(card)
    assert loaded[0] is loaded[1]
    assert isinstance(card, zoo.Card)


def test_shared_and_tied_weights_in_onnx():
    pytest.importorskip("onnx")
    from minidnn.convert import from_onnx, to_onnx

    rng = np.random.default_rng(2)
    for seed in range(60):
        model = random_model(seed).eval()
        if any(t.dtype != np.float32 for t in model.tensors().values()):
            continue
        x = rng.random((3, WIDTH), np.float32)
        try:
            expected = model(x).data
        except ValueError:
            continue  # a kernel whose shape does not fit
        again = from_onnx(to_onnx(model, input_shape=(WIDTH,)))
        np.testing.assert_allclose(again.eval()(x).data, expected, rtol=1e-5, atol=1e-5)


def nested(depth):
    model = nn.Sequential(nn.Dense(3, 3))
    for _ in range(depth):
        model = nn.Sequential(model)
    return model


def test_blocks_within_blocks_in_onnx():
    pytest.importorskip("onnx")
    from minidnn.convert import from_onnx, to_onnx

    x = np.ones((2, 3), np.float32)
    model = nested(45)
    np.testing.assert_allclose(from_onnx(to_onnx(model))(x).data, model(x).data, rtol=1e-5)


@pytest.mark.parametrize("depth", [1, 45, 90])
def test_blocks_within_blocks(depth, tmp_path):
    model = nested(depth)
    minidnn.save(model, tmp_path / "model.safetensors")
    assert bytes_of(minidnn.load(tmp_path / "model.safetensors")) == bytes_of(model)


def test_blocks_too_deep_to_be_read_are_not_written(tmp_path):
    model = nested(110)
    with pytest.raises(ValueError, match="cannot hold parts nested more than 200 deep"):
        minidnn.save(model, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_naming_many_layers_takes_linear_time():
    """Counts comparisons of names, which do not depend on the clock; 40,000 layers once took 47 seconds."""

    class Name(str):
        compared = 0

        def __eq__(self, other):
            Name.compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    nn.Sequential(*(nn.Tanh(name=Name(f"n{i}")) for i in range(2000)))
    assert Name.compared < 2000


@pytest.mark.parametrize("description", [{"same": 0}, {"same": "a"}, [{"type": "Tanh", "id": 1}, {"same": 2}]])
def test_a_reference_to_a_missing_part_is_refused(description):
    with pytest.raises(registry.UnknownPartError, match="the id of no earlier part"):
        registry.build(description)


def test_a_short_file_that_expands_to_too_many_layers_is_refused():
    description = {"type": "Sequential", "layers": [], "id": 0}
    for depth in range(1, 60):
        description = {"type": "Sequential", "layers": [description, {"same": depth - 1}], "id": depth}
    with pytest.raises(registry.UnknownPartError, match="holds more than 1,000,000 layers"):
        registry.build(description)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nonfinite_weights_are_not_saved_over_a_good_file(value, tmp_path):
    path, model = tmp_path / "model.safetensors", nn.Dense(3, 2)
    minidnn.save(model, path)
    good = path.read_bytes()
    model.kernel.data[0, 0] = value
    with pytest.raises(ValueError, match="kernel has 1 of 6 values that are not finite"):
        minidnn.save(model, path)
    assert path.read_bytes() == good
    minidnn.save(model, tmp_path / "other.safetensors")
