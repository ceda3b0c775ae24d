"""Arguments that do not fit together are refused before anything has changed."""

import numpy as np
import pytest

import minidnn
from minidnn import data, nn, ops, optim, training

rng = np.random.default_rng(3)
X = rng.normal(size=(40, 5)).astype(np.float32)
LABELS = rng.integers(0, 3, 40)
BITS = LABELS > 0
NUMBERS = rng.normal(size=40)


def network(outputs=3, *last):
    generator = minidnn.Generator(1)
    return nn.Sequential(
        nn.Dense(5, 8, "relu", rng=generator),
        nn.BatchNorm(8),
        nn.Dropout(0.5),
        nn.Dense(8, outputs, rng=generator),
        *last,
    )


def hurt(array, place, value):
    array = np.array(array, np.float32)
    array[place] = value
    return array


def named(x, y, classes=(), columns=()):
    return data.ArrayDataset(x, y, classes, columns)


CLASSES = named(X, LABELS, ["cat", "dog", "emu"], list("abcde"))

# (model, data, options, error, message)
ROWS = {
    # losses and targets
    "one output under softmax": (
        network(1), (X, BITS), {}, ValueError,
        r"softmax_cross_entropy: outputs have shape \(2, 1\), targets have \(2,\) int64; it takes .* "
        "use nn.sigmoid_cross_entropy, or two outputs",
    ),
    "numbers under softmax": (
        network(1), (X, NUMBERS), {}, ValueError, "softmax_cross_entropy: .* use nn.mean_squared_error"
    ),
    "class numbers under sigmoid": (
        network(3), (X, BITS), {"loss": nn.sigmoid_cross_entropy}, ValueError, "use nn.softmax_cross_entropy"
    ),
    "three classes under sigmoid": (
        network(1), (X, LABELS), {"loss": nn.sigmoid_cross_entropy}, ValueError, r"in \[0, 1\], got 0 to 2; use nn."
    ),
    "signs under sigmoid": (
        network(1), (X, 2 * BITS - 1), {"loss": nn.sigmoid_cross_entropy}, ValueError, r"use \(y \+ 1\) / 2 for -1"
    ),
    "mixed signs under hinge": (
        network(1), (X, LABELS - 1), {"loss": nn.hinge}, ValueError, "must be 0 or 1, or all of them -1 or 1"
    ),
    "a column for three outputs": (
        network(3), (X, NUMBERS), {"loss": nn.mean_squared_error}, ValueError, "a model of one output"
    ),
    "columns for one output": (
        network(1), (X, np.stack([NUMBERS] * 2, 1)), {"loss": nn.mean_squared_error}, ValueError, r"are \(batch, 2\)"
    ),
    "a row for a column": (
        network(1), (X, NUMBERS.reshape(40, 1, 1)), {"loss": nn.mean_squared_error}, ValueError, "they must be the same"
    ),
    "a label too many": (
        network(2), (X, LABELS), {}, ValueError, r"labels must be in \[0, 2\), got 0 to 2; the model has 2 outputs"
    ),
    "a negative label": (network(3), (X, LABELS - 1), {}, ValueError, "labels must be in"),
    "probabilities beyond 1": (network(3), (X, np.full((40, 3), 2.0)), {}, ValueError, r"must be in \[0, 1\]"),
    "two targets": (
        network(3), (X, (LABELS, NUMBERS)), {}, ValueError, "takes one target, the data set has 2; give a loss of your"
    ),
    "text": (network(3), (X, ["a"] * 40), {}, TypeError, r"np.unique\(y, return_inverse=True\)"),
    "a name for a loss": (
        network(3), (X, LABELS), {"loss": "mse"}, TypeError, "loss is 'mse', must be a function .* nn.mean_"
    ),
    # the model's last layer
    "softmax twice": (network(3, nn.Softmax()), (X, LABELS), {}, ValueError, r"ends in a softmax, .* model\[:-1\]"),
    "sigmoid twice": (
        network(1, nn.Sigmoid()), (X, BITS), {"loss": nn.sigmoid_cross_entropy}, ValueError, "ends in a sigmoid"
    ),
    "sigmoid in the last layer": (
        nn.Sequential(nn.Sequential(nn.Dense(5, 1, "sigmoid"))), (X, BITS), {"loss": nn.sigmoid_cross_entropy},
        ValueError, "ends in a sigmoid",
    ),
    "softmax in the last layer": (nn.Dense(5, 3, ops.softmax), (X, LABELS), {}, ValueError, "ends in a softmax"),
    "softmax at the end of a graph": (
        nn.Graph([nn.Node("h", nn.Dense(5, 3), ["x"]), nn.Node("p", nn.Softmax(), ["h"])]), (X, LABELS), {},
        ValueError, "ends in a softmax",
    ),
    # the data
    "a NaN among the inputs": (
        network(), (hurt(X, (17, 3), np.nan), LABELS), {}, ValueError, "the input of example 17, column 3 is nan"
    ),
    "a NaN in a named column": (
        network(), (named(hurt(X, (17, 3), np.inf), LABELS, (), list("abcde")),), {}, ValueError,
        "the input of example 17, column 'd' is inf",
    ),
    "a NaN among the targets": (
        network(1), (X, hurt(NUMBERS, 7, np.nan)), {"loss": nn.mean_squared_error}, ValueError,
        "fit: the target of example 7 is nan",
    ),
    "a NaN in the validation set": (
        network(), (X, LABELS), {"valid": (hurt(X, (2, 0), np.nan), LABELS)}, ValueError,
        "fit: valid: the input of example 2, column 0 is nan",
    ),
    "a NaN in a part": (
        network(), (data.Subset(named(hurt(X, (9, 1), np.nan), LABELS), [3, 9]),), {}, ValueError, "example 1, column 1"
    ),
    "other classes": (
        network(), (CLASSES,), {"valid": named(X, BITS, ["cat", "emu"])}, ValueError,
        "have different classes: cat, dog, emu and cat, emu; .*classes=train.classes",
    ),
    "other columns": (
        network(), (CLASSES,), {"valid": named(X, LABELS, (), list("abced"))}, ValueError, "different columns: a, b"
    ),
    "classes of a further set": (
        network(), (CLASSES,), {"callbacks": [training.Evaluate(named(X, BITS, ["cat", "emu"]))]}, ValueError,
        "Evaluate: the data sets have different classes",
    ),
    "whole numbers": (
        network(), (named(np.ones((40, 5), np.int64), LABELS),), {}, TypeError, r"word indices; give x.astype\(np"
    ),
    "no targets": (network(), (X,), {}, TypeError, r"must be a data set or a pair of arrays \(x, y\), got ndarray"),
    "targets twice": (network(), (CLASSES, LABELS), {}, TypeError, "y was given beside a data set"),
    "another length": (network(), (X, LABELS[:39]), {}, ValueError, r"y has shape \(39,\), must have 40 rows"),
    "a share of all": (network(), (X, LABELS), {"valid": 1.0}, ValueError, r"valid is 1.0, must be data or a share"),
    "no batch at all": (
        network(), (X, LABELS), {"drop_last": True, "batch_size": 41}, ValueError, "40 examples, batch_size is 41"
    ),
    # weights
    "an unknown class": (
        network(), (CLASSES,), {"class_weight": {"cow": 2}}, ValueError, "has the class 'cow'; there are cat, dog, emu"
    ),
    "weights for too few": (network(), (X, LABELS), {"class_weight": [1, 2]}, ValueError, "a weight for each of 3"),
    "a negative weight": (network(), (X, LABELS), {"class_weight": {0: -1}}, ValueError, "not negative, got -1"),
    "weights of text": (network(), (X, LABELS), {"class_weight": {0: "x"}}, TypeError, "must be numbers"),
    "some word": (network(), (X, LABELS), {"class_weight": "even"}, ValueError, "is 'even', must be 'balanced'"),
    "classes of numbers": (
        network(1), (X, NUMBERS), {"loss": nn.mean_squared_error, "class_weight": "balanced"}, ValueError,
        r"class_weight is 'balanced', which needs class numbers \(n,\)",
    ),
    "a weight for another example": (
        network(), (X, LABELS), {"sample_weight": np.ones(39)}, ValueError, r"\(39,\), must be \(40,\)"
    ),
    "nothing but zeros": (network(), (X, LABELS), {"sample_weight": np.zeros(40)}, ValueError, "make all weights 0"),
    "a NaN as weight": (network(), (X, LABELS), {"sample_weight": np.full(40, np.nan)}, ValueError, "finite"),
    "a loss without weights": (
        network(), (X, LABELS), {"loss": lambda o, y: nn.softmax_cross_entropy(o, y), "sample_weight": np.ones(40)},
        TypeError, "need a loss with an argument weights=None",
    ),
    # numbers
    "clip_norm": (network(), (X, LABELS), {"clip_norm": -1}, ValueError, "fit: clip_norm must be"),
    "clip_value": (network(), (X, LABELS), {"clip_value": np.nan}, ValueError, "fit: clip_value must be"),
    "accumulate": (network(), (X, LABELS), {"accumulate": 0}, ValueError, "fit: accumulate must be at least 1"),
    # columns
    "an unknown column": (
        network(), (X, LABELS),
        {"valid": (X, LABELS), "callbacks": [training.EarlyStopping(monitor="valid_f1", every=None)]}, ValueError,
        "EarlyStopping: monitor is 'valid_f1', must be one of epoch, step, lr, loss, accuracy, .*valid_loss",
    ),
    "a column that comes later": (
        network(), (CLASSES,),
        {"callbacks": [training.ReduceOnPlateau(monitor="test_loss"), training.Evaluate(CLASSES)]}, ValueError,
        "monitor is 'test_loss', which Evaluate adds later; put Evaluate before",
    ),
    "a column without direction": (
        network(), (X, LABELS),
        {"metrics": {"thing": lambda o, t: 0}, "callbacks": [training.ReduceOnPlateau(monitor="thing")]}, ValueError,
        "whether thing should fall or rise; give mode=",
    ),
}  # fmt: skip


def state(model, optimizer):
    arrays = {path: array.tobytes() for path, array in model.state_dict().items()}
    modes = [module.training for _, module in model.named_modules()]
    return arrays, modes, optimizer.steps, minidnn.get_rng_state()


@pytest.mark.parametrize("row", ROWS)
def test_refused_before_anything_has_changed(row):
    model, given, options, error, message = ROWS[row]
    optimizer = optim.Adam(model.parameters())
    before = state(model, optimizer)
    with pytest.raises(error, match=message):
        training.fit(model, *given, optimizer=optimizer, progress=False, **({"epochs": 1, "batch_size": 8} | options))
    assert state(model, optimizer) == before


@pytest.mark.parametrize(
    "row",
    [
        row
        for row, (_, given, options, *_) in ROWS.items()
        if options.keys() <= {"loss"} and len(given) == 2 and row != "targets twice"
    ],
)
def test_evaluate_refuses_the_same(row):
    model, given, options, error, message = ROWS[row]
    if row == "a label too many":
        message = r"must be in \[0, 2\)"  # by the kernel
    message = message.replace("fit: ", "evaluate: ").replace("(2,", "(40,")
    with pytest.raises(error, match=message):
        training.evaluate(model, given, *options.values())


def test_checks_made_in_advance_do_not_change_the_run():
    def run(checked):
        minidnn.manual_seed(4)
        model = network()
        if checked:
            for _ in range(3):
                training.checks.check_model("fit", model, CLASSES, nn.softmax_cross_entropy)
        before = state(model, optim.SGD(model.parameters(), 0.1))
        training.fit(
            model, CLASSES, optimizer=optim.SGD(model.parameters(), 0.1), epochs=2, batch_size=8, progress=False
        )
        return before, state(model, optim.SGD(model.parameters(), 0.1))

    assert run(True) == run(False)


def test_layers_of_ones_own_run_once_a_step():
    class Counting(nn.Module):
        def __init__(self):
            self.passes = []

        def forward(self, x):
            self.passes.append(x.shape)
            return ops.relu(x)

    counting = Counting()
    model = nn.Sequential(nn.Dense(5, 8), counting, nn.Dense(8, 3))
    history = training.fit(
        model,
        X,
        LABELS,
        optimizer=optim.SGD(model.parameters(), 0.1),
        epochs=2,
        batch_size=8,
        progress=False,
        capture=False,
    )
    assert len(counting.passes) == history["step"][-1] == 10
    wrong = nn.Sequential(nn.Dense(5, 8), Counting(), nn.Dense(8, 1))
    before = wrong.state_dict()
    with pytest.raises(ValueError, match="must be in"):  # by the loss itself, in the first step
        training.fit(
            wrong, X, LABELS, optimizer=optim.SGD(wrong.parameters(), 0.1), epochs=1, batch_size=8, progress=False
        )
    assert all(np.array_equal(before[path], array) for path, array in wrong.state_dict().items())


def test_an_optimizer_of_another_model_is_refused_and_of_some_parameters_warned_of():
    model, other = network(), network()
    options = {"epochs": 1, "batch_size": 8, "progress": False}
    with pytest.raises(ValueError, match="holds no parameter of the model; make it for this model"):
        training.fit(model, X, LABELS, optimizer=optim.SGD(other.parameters(), 0.1), **options)
    with pytest.raises(TypeError, match=r"optimizer is 'adam', must be one of minidnn\.optim"):
        training.fit(model, X, LABELS, optimizer="adam", **options)
    top = optim.SGD(model[-1].parameters(), 0.1)
    with pytest.warns(UserWarning, match=r"does not hold 0.kernel, 0.bias, 1.gamma, 1.beta, .*will not be trained"):
        training.fit(model, X, LABELS, optimizer=top, **options)
    for param in model[:-1].parameters():
        param.requires_grad = False
    training.fit(model, X, LABELS, optimizer=top, **options)  # frozen, so no warning


@pytest.mark.parametrize("part", ["list", "dict", "nested", "parameter"])
def test_modules_in_containers_are_trained_and_saved(part):
    class Model(nn.Module):
        def __init__(self):
            self.out = nn.Dense(8, 3)
            layer = nn.Dense(5, 8, "relu")
            self.body = {
                "list": [layer],
                "dict": {"h": layer},
                "nested": {"rows": [[layer], (nn.Dropout(0.5),)]},
                "parameter": {"w": [nn.Parameter(np.ones((5, 8), np.float32))]},
            }[part]

        def forward(self, x):
            match part:
                case "list":
                    h = self.body[0](x)
                case "dict":
                    h = self.body["h"](x)
                case "nested":
                    h = self.body["rows"][1][0](self.body["rows"][0][0](x))
                case _:
                    h = x @ self.body["w"][0]
            return self.out(h)

    model = Model()
    paths = {
        "list": "body.0.kernel",
        "dict": "body.h.kernel",
        "nested": "body.rows.0.0.kernel",
        "parameter": "body.w.0",
    }
    before = model.state_dict()[paths[part]]
    training.fit(model, X, LABELS, optimizer=optim.SGD(model.parameters(), 0.1), epochs=1, batch_size=8, progress=False)
    assert (model.state_dict()[paths[part]] != before).any()
    model.eval()
    assert np.array_equal(model(X).data, model(X).data)


@pytest.mark.parametrize("search", [training.lr_range_test, training.compare_rates], ids=lambda search: search.__name__)
@pytest.mark.parametrize("wrong", ["instance", "class", "nothing made"])
def test_rates_are_searched_with_a_function_that_makes_optimizers(search, wrong):
    model = nn.Sequential(nn.Dense(5, 2))
    before = model.state_dict()
    kinds = {
        "instance": optim.SGD(model.parameters(), 0.1),
        "class": optim.SGD,
        "nothing made": lambda model, lr: None,
    }
    with pytest.raises(TypeError, match=rf"{search.__name__}: optimizer is .* must be a function that makes one"):
        search(model, (np.ones((20, 5), np.float32), np.zeros(20, int)), optimizer=kinds[wrong])
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
