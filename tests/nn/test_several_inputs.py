"""A user-defined module with several inputs: called, trained, evaluated, used for prediction."""

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, ops, optim, training

rng = np.random.default_rng(5)
LEFT, RIGHT = rng.normal(size=(120, 3)), rng.normal(size=(120, 2))
Y = LEFT @ [1.0, -2.0, 0.5] + RIGHT @ [0.5, 1.0]


class Arms(nn.Module):
    def __init__(self):
        self.a, self.b, self.out = nn.Dense(3, 8, "tanh"), nn.Dense(2, 8, "tanh"), nn.Dense(16, 1)

    def forward(self, left, right):
        return self.out(ops.concatenate([self.a(left), self.b(right)], axis=1))


class Scaled(Arms):
    """One input is optional."""

    def forward(self, left, right, scale=None):
        out = super().forward(left, right)
        return out if scale is None else out * scale


def fit(model, *given, **options):
    options = {"optimizer": optim.Adam(model.parameters(), 0.02), "epochs": 30, "batch_size": 20} | options
    return training.fit(model, *given, loss=nn.mean_squared_error, progress=False, **options)


def arms(kind=Arms):
    minidnn.manual_seed(0)
    return kind()


def test_a_call_takes_arrays_and_tensors():
    model = arms()
    outputs = model(LEFT, minidnn.Tensor(RIGHT.astype(np.float32)))
    assert outputs.shape == (120, 1) and outputs.dtype == np.float32
    hidden = np.concatenate(
        [np.tanh(x @ layer.kernel.data + layer.bias.data) for x, layer in ((LEFT, model.a), (RIGHT, model.b))], axis=1
    )
    assert np.allclose(outputs.data, hidden @ model.out.kernel.data + model.out.bias.data, atol=1e-5)


@pytest.mark.parametrize("kind", [Arms, Scaled])
def test_fit_evaluate_and_predict(kind):
    model = arms(kind)
    history = fit(model, (LEFT, RIGHT), Y, valid=((LEFT, RIGHT), Y))
    assert history["valid_r2"][-1] > 0.9
    stacked = data.StackDataset((LEFT, RIGHT), Y)
    assert training.evaluate(model, stacked, nn.mean_squared_error).r2 == history["valid_r2"][-1]
    outputs = training.predict(model, (LEFT, RIGHT))
    assert outputs.shape == (120, 1)
    for given in (stacked, ((LEFT, RIGHT), Y)):
        assert np.array_equal(training.predict(model, given), outputs)
    assert training.report(model, stacked).values.shape == (1, 4)


@pytest.mark.parametrize("options", [{}, {"sample_weight": np.linspace(0.5, 2, 120)}, {"accumulate": 2}], ids=str)
def test_captured_or_not_the_bytes_are_the_same(options):
    states = []
    for capture in (True, False):
        model = arms()
        fit(model, (LEFT, RIGHT), Y, capture=capture, epochs=3, **options)
        states.append(model.state_dict())
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_nn_graph_is_captured_and_a_user_defined_module_runs_in_python(caplog):
    nodes = [nn.Node("a", nn.Dense(3, 4), ["l"]), nn.Node("b", nn.Dense(2, 4), ["r"])]
    graph = nn.Graph([*nodes, nn.Node("y", nn.functions.add(), ["a", "b"])], inputs=["l", "r"])
    with caplog.at_level("INFO", "minidnn"):
        fit(graph, (LEFT, RIGHT), np.stack([Y] * 4, axis=1), epochs=1)
        assert not caplog.records
        fit(arms(), (LEFT, RIGHT), Y, epochs=1)
    assert "Arms" in caplog.text


WRONG = {
    "one": (Arms, LEFT, "the data have 1 input, Arms takes 2 (left, right)"),
    "three": (Arms, (LEFT, RIGHT, RIGHT), "the data have 3 inputs, Arms takes 2 (left, right)"),
    "a chain": (lambda: nn.Sequential(nn.Dense(3, 1)), (LEFT, RIGHT), "the data have 2 inputs, Sequential takes 1 (x)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_another_number_of_inputs_is_refused_before_anything_has_changed(wrong):
    kind, x, message = WRONG[wrong]
    model = kind()
    before = model.state_dict()
    with pytest.raises(ValueError) as error:
        fit(model, x, Y)
    assert str(error.value).startswith("fit: ") and message in str(error.value)
    with pytest.raises(ValueError) as error:
        training.evaluate(model, (x, Y), nn.mean_squared_error)
    assert message in str(error.value)
    if wrong != "a chain":  # for which two arrays are a pair (x, y)
        with pytest.raises(ValueError) as error:
            training.predict(model, x)
        assert message in str(error.value)
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training
