"""The graph of a model, traced in an evaluation pass, and what is built from it."""

import numpy as np
import pytest

import minidnn
from minidnn import deploy, nn, ops
from minidnn.deploy.lowering import RULES
from minidnn.nn.tracing import Batch, TraceError, trace

X = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
N = Batch()


class Calls(nn.Module):
    """A user-defined layer."""

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_nodes_say_their_op_settings_values_and_layer():
    block = nn.Sequential(nn.Dense(6, 6, "elu", name="in"), nn.BatchNorm(6))
    model = nn.Sequential(nn.Flatten(), nn.Residual(block), nn.LeakyReLU(0.3))
    flat, dense, norm, add, leaky = trace(model, {"x": (2, 3)}).nodes
    assert (flat.op, flat.attributes, flat.inputs[0].name) == ("reshape", {"shape": (N, 6)}, "x")
    assert [value.name for value in dense.inputs[1:]] == ["1.block.in.kernel", "1.block.in.bias"]
    assert dense.attributes == {"activation": "elu", "alpha": 1.0} and dense.layer is block[0]
    assert norm.attributes["mean"].name == "1.block.1.running_mean" and norm.attributes["eps"] == 1e-3
    assert add.inputs == (flat.output, norm.output) and add.path == "1"
    assert (leaky.op, leaky.attributes, leaky.output.shape) == ("leaky_relu", {"alpha": 0.3}, (N, 6))


def test_ops_skipped_in_evaluation_are_traced_and_numbers_are_operands():
    drop, scale = trace(nn.Dropout(0.25, "scale_at_test"), {"x": (6,)}).nodes
    assert (drop.op, drop.attributes["rate"], scale.op, scale.inputs[1]) == ("dropout", 0.25, "multiply", 0.75)
    x = minidnn.Tensor(X)
    assert ops.dropout(x, 0.5, training=False) is x


def test_tracing_changes_nothing():
    model = nn.Sequential(nn.Dense(6, 6), nn.Dropout(0.5)).train()
    before, state = minidnn.get_rng_state(), model.state_dict()
    trace(model, {"x": (6,)})
    assert model.training and model[1].training and minidnn.get_rng_state() == before
    assert all(np.array_equal(state[name], array) for name, array in model.state_dict().items())
    assert not any("forward" in vars(module) for _, module in model.named_modules())
    y = model.eval()(X)
    assert not hasattr(y, "_attributes")  # kept only while an op is watched


def test_values_that_depend_only_on_parameters_are_constants():
    class Tied(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(np.eye(6, dtype=np.float32) * 2)

        def forward(self, x):
            return ops.matmul(x, ops.transpose(self.w) + 1.0)

    (node,) = trace(Tied(), {"x": (6,)}).nodes
    assert node.op == "matmul" and np.array_equal(node.inputs[1].data, np.eye(6) * 2 + 1)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x * float(ops.sum(x)), r"Tensor\.float|Tensor\.__float__|Tensor\.item"),
        (lambda x: x if (x > 0).data.all() else -x, r"Tensor\.data uses a number"),
        (lambda x: x * minidnn.Tensor(np.random.default_rng().normal(size=6).astype(np.float32)), "that no op made"),
        (lambda x: x / len(x), "op divide of the model, a Calls: a number depends on the batch"),
        (lambda x: ops.relu(x) if len(x) == 2 else x, "which ops it runs depends on its inputs"),
        (lambda x: ops.dropout(x, 0.5), "draws random numbers"),
    ],
)
def test_a_forward_without_a_graph_is_refused(function, message):
    with pytest.raises(TraceError, match=message):
        trace(Calls(function), {"x": (6,)})


# The engine


STEPS = {
    "affine both ways": lambda x: 1.5 - (x * 2.0 + np.arange(6, dtype=np.float32)) / 4.0,
    "negative": lambda x: -ops.tanh(x),
    "three side by side": lambda x: ops.concatenate([x, ops.relu(x), -x], axis=1),
    "reshaped": lambda x: ops.reshape(ops.reshape(x, (len(x), 2, 3)) * 2.0, (len(x), 6)),
    "skips": lambda x: ops.elu(x, 0.3) + x,
    "matmul": lambda x: ops.matmul(x, np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_user_defined_layer_is_compiled(name):
    model = nn.Sequential(Calls(STEPS[name]), Calls(ops.sigmoid)).eval()
    compiled = deploy.compile(model, input_shape=(6,))
    np.testing.assert_allclose(compiled.predict(X), model(X).data, rtol=2e-6, atol=1e-6)


def test_each_op_that_cannot_be_compiled_is_refused_by_name():
    unlike = {
        "getitem": lambda x: x[:, :2], "log_softmax": ops.log_softmax, "exp": ops.exp, "multiply": lambda x: x * x,
        "divide": lambda x: 1.0 / x, "mean": lambda x: ops.mean(x, 1, keepdims=True),
        "add": lambda x: x + ops.reshape(x, (len(x), 1, 6)),
    }  # fmt: skip
    for op, function in unlike.items():
        with pytest.raises(TypeError, match=f"compile: op {op} of 0, a Calls cannot be compiled"):
            deploy.compile(nn.Sequential(Calls(function), nn.Flatten()), input_shape=(6,))


def test_every_rule_is_of_an_existing_op():
    named = {*ops.__all__, "less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
    assert set(RULES) <= named


def test_input_shape_can_be_given_and_may_be_required():
    with pytest.raises(ValueError, match=r"give input_shape=\(n,\)"):
        deploy.compile(nn.ReLU())
    flat = deploy.compile(nn.Sequential(nn.Flatten(), nn.Dense(12, 3)), input_shape=(3, 4))
    assert flat.n_in == 12
    with pytest.raises(TypeError, match="the output has 1 axes, must be"):
        deploy.compile(Calls(lambda x: ops.sum(x, 1)), input_shape=(6,))
