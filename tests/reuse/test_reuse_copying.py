"""New networks from parts of old ones: layers are copied by default; depth is counted in layers with kernels."""

import numpy as np
import pytest

import minidnn
from minidnn import nn, optim, recipes, reuse

X = np.random.default_rng(3).standard_normal((20, 8)).astype(np.float32)


@pytest.fixture
def model():
    minidnn.manual_seed(1)
    return recipes.default_network(8, [7, 6, 5], 4, dropout=0.2)


def names(model):
    return [name for name, _ in model.children()]


BLOCKS = [
    ["dropout0", "hidden1", "norm1", "act1", "dropout1"],
    ["hidden2", "norm2", "act2", "dropout2"],
    ["hidden3", "norm3", "act3", "dropout3"],
    ["outputs"],
]


def test_a_block_is_a_layer_with_a_kernel_and_the_layers_that_follow_it(model):
    assert [[name for name, _ in block] for block in nn.blocks(model)] == BLOCKS
    assert nn.blocks(nn.Sequential()) == []
    assert [len(block) for block in nn.blocks(nn.Sequential(nn.ReLU(), nn.Dropout(0.5)))] == [2]
    assert len(nn.blocks(nn.Sequential(nn.Residual(nn.Sequential(nn.Dense(3, 3), nn.Dense(3, 3)))))) == 1


@pytest.mark.parametrize("upto", ["hidden2", "norm2", 2])
def test_copy_lower_copies_whole_blocks(model, upto):
    lower = reuse.copy_lower(model, upto)
    assert names(lower) == BLOCKS[0] + BLOCKS[1]
    assert lower.eval()(X).data.tobytes() == model[:9].eval()(X).data.tobytes()


MAKE = {
    "copy_lower": lambda m, **options: reuse.copy_lower(m, "hidden3", **options),
    "drop_top": lambda m, **options: reuse.drop_top(m, **options),
    "replace_top": lambda m, **options: reuse.replace_top(m, nn.Dense(5, 9, name="outputs"), **options),
    "add_hidden": lambda m, **options: reuse.add_hidden(m, nn.Dense(5, 5, name="hidden4"), **options),
}


@pytest.mark.parametrize("name", MAKE)
def test_weights_are_copied_unless_share_is_true(model, name):
    model(X).sum().backward()
    before = {path: value.tobytes() for path, value in model.state_dict().items()}
    made = MAKE[name](model)
    assert {id(tensor) for tensor in made.tensors().values()}.isdisjoint(map(id, model.tensors().values()))
    assert all(param.grad is None for param in made.parameters())
    for tensor in made.tensors().values():
        tensor.data += 1
    assert {path: value.tobytes() for path, value in model.state_dict().items()} == before
    shared = MAKE[name](model, share=True)
    assert shared.layers[1] is model.layers[1] and shared.layers[1].kernel.grad is not None


def test_drop_top_and_replace_top(model):
    assert names(reuse.drop_top(model)) == [*BLOCKS[0], *BLOCKS[1], *BLOCKS[2]]
    assert names(reuse.drop_top(model, 3)) == BLOCKS[0]
    made = reuse.replace_top(model, nn.Dense(6, 3, name="outputs"), n=2)
    assert names(made) == [*BLOCKS[0], *BLOCKS[1], "outputs"] and made(X).shape == (20, 3)


def test_add_hidden_keeps_the_outputs(model):
    new = nn.Dense(5, 5, "elu", name="hidden4")
    made = reuse.add_hidden(model, new, nn.BatchNorm(5, name="norm4"))
    assert names(made)[-3:] == ["hidden4", "norm4", "outputs"]
    assert made.layers[-3] is new
    assert made.layers[-1].kernel.data.tobytes() == model.layers[-1].kernel.data.tobytes()


def test_a_copy_trains_and_is_frozen_where_the_source_is(model):
    reuse.freeze(model, "hidden1")
    made = reuse.copy_lower(model, "hidden2")
    assert made.layers[1].frozen and not made.layers[1].kernel.requires_grad and made.layers[5].kernel.requires_grad
    optimizer = optim.SGD(made.parameters(), 0.1)
    made(X).sum().backward()
    optimizer.step()
    assert made.layers[1].kernel.data.tobytes() == model.layers[1].kernel.data.tobytes()
    assert made.layers[5].kernel.data.tobytes() != model.layers[5].kernel.data.tobytes()


def test_copies_of_a_shared_layer_are_one_layer():
    tied = nn.Dense(8, 8)
    copy = reuse.copy_lower(nn.Sequential(tied, nn.ReLU(), tied, nn.Dense(8, 3)), 2)
    assert copy.layers[0] is copy.layers[2] and copy.layers[0] is not tied


def test_pending_penalties_are_not_copied():
    model = nn.Sequential(nn.Dense(8, 4, activity_regularizer=nn.l2(1.0)), nn.Dense(4, 4))
    model(X)
    copy = reuse.copy_lower(model, 1)
    assert copy.layers[0].activity_penalties == []


D = nn.Dense


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: reuse.copy_lower(m, "hidden9"), ValueError, "no layer is called 'hidden9'; there are dropout0, hid"),
        (lambda m: reuse.copy_lower(m, 5), ValueError, "upto is 5, the model has 4 layers with kernels"),
        (lambda m: reuse.copy_lower(m, 0), ValueError, "upto must be at least 1"),
        (lambda m: reuse.copy_lower(m.layers[1], 1), TypeError, "copy_lower: model must be a Sequential, got Dense"),
        (lambda m: reuse.drop_top(m, 4), ValueError, "n is 4, the model has 4 layers with kernels: at least one must"),
        (lambda m: reuse.drop_top(m, -1), ValueError, "drop_top: n must be at least 1"),
        (lambda m: reuse.replace_top(m), ValueError, "replace_top: no layers are given"),
        (lambda m: reuse.replace_top(m, D(6, 3)), ValueError, "Dense takes 6 inputs, Dense 'hidden3' below it has 5"),
        (lambda m: reuse.replace_top(m, "softmax"), TypeError, "replace_top: layers must be modules, got str"),
        (lambda m: reuse.replace_top(m, D(5, 3, name="hidden1")), ValueError, "names must be distinct"),
        (lambda m: reuse.add_hidden(m), ValueError, "add_hidden: no layers are given"),
        (lambda m: reuse.add_hidden(m, D(5, 9)), ValueError, "Dense 'outputs' takes 5 inputs, Dense below it has 9"),
        (lambda m: reuse.add_hidden(m, nn.BatchNorm(9)), ValueError, "BatchNorm takes 9 inputs"),
        (lambda m: reuse.add_hidden(nn.Sequential(D(3, 3)), D(3, 3)), ValueError, "at least two layers with kernels"),
        (lambda m: reuse.drop_top(nn.Sequential()), ValueError, "the model has 0 layers"),
    ],
)
def test_invalid_arguments_are_refused(model, call, error, message):
    with pytest.raises(error, match=message):
        call(model)
