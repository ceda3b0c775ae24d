"""`minidnn.sklearn` with scikit-learn's tools."""

import doctest
import io
import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import minidnn
from minidnn.sklearn import RBM, Autoencoder, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = load_iris(return_X_y=True)
DIGITS, NAMES = load_digits().data / 16, load_digits().target
QUICK = {"max_iter": 5, "random_state": 0, "hidden_layer_sizes": (10,)}


# Fits, by known answers


def test_it_learns_the_digits():
    network = MLPClassifier([64], max_iter=20, learning_rate_init=0.003, random_state=0).fit(
        DIGITS[:1200], NAMES[:1200]
    )
    assert network.score(DIGITS[1200:], NAMES[1200:]) > 0.9
    assert network.n_iter_ == len(network.loss_curve_) == 20 and network.t_ == 20 * 1200
    assert [kernel.shape for kernel in network.coefs_] == [(64, 64), (64, 10)]
    assert [bias.shape for bias in network.intercepts_] == [(64,), (10,)]


def test_the_probabilities_are_those_of_the_network():
    X, y = IRIS
    three = MLPClassifier(**QUICK).fit(X, y)
    logits = three.model_(X.astype(np.float32)).numpy().astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(three.predict_proba(X), expected, rtol=1e-12)
    np.testing.assert_allclose(three.predict_log_proba(X), np.log(expected), rtol=1e-9)
    two = MLPClassifier(**QUICK).fit(X[:100], np.array(["no", "yes"])[y[:100]])
    logit = two.model_(X.astype(np.float32)).numpy().astype(np.float64)[:, 0]
    np.testing.assert_allclose(two.predict_proba(X)[:, 1], 1 / (1 + np.exp(-logit)), rtol=1e-12)
    assert two.classes_.tolist() == ["no", "yes"] and set(two.predict(X)) <= {"no", "yes"}


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_first_step_is_that_of_scikit_learn(kind):
    """One full batch of plain gradient descent, penalty and weights included, from the same weights in float64."""
    from sklearn import neural_network

    X, y = IRIS[0][:100], IRIS[1][:100]
    weights = np.random.default_rng(0).integers(1, 4, 100).astype(float)
    options = {"hidden_layer_sizes": (5,), "activation": "tanh", "solver": "sgd", "alpha": 3.0, "momentum": 0.0}
    ours = kind(**options, learning_rate_init=0.0, max_iter=1, random_state=0).fit(X, y)
    before = [*ours.coefs_, *ours.intercepts_]
    # The square is not halved here.
    rate, alpha = (0.1, 3.0) if kind is MLPClassifier else (0.05, 6.0)
    ours = kind(**options | {"alpha": alpha}, learning_rate_init=rate, max_iter=1, random_state=0)
    ours.fit(X, y, sample_weight=weights)
    theirs = getattr(neural_network, kind.__name__)(**options, learning_rate_init=0.1, max_iter=1, warm_start=True)
    theirs.fit(X, y)
    theirs.coefs_, theirs.intercepts_ = (
        [a.astype(np.float64) for a in before[:2]],
        [a.astype(np.float64) for a in before[2:]],
    )
    theirs._optimizer.__init__(theirs.coefs_ + theirs.intercepts_, 0.1, "constant", 0.0, False)
    theirs.fit(X, y, sample_weight=weights)
    for mine, other in zip([*ours.coefs_, *ours.intercepts_], theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-6, atol=1e-7)


def test_a_seed_decides_and_global_seeds_do_not():
    X, y = IRIS
    options = QUICK | {"dropout": 0.3, "batch_norm": True, "early_stopping": True}
    minidnn.manual_seed(1)
    one = MLPClassifier(**options).fit(X, y).predict_proba(X)
    state = minidnn.get_rng_state()
    minidnn.manual_seed(2)
    assert np.array_equal(one, MLPClassifier(**options).fit(X, y).predict_proba(X))
    assert state["draw"] == 0
    again = MLPClassifier(**options | {"random_state": np.random.RandomState(0)})
    assert np.array_equal(one, again.fit(X, y).predict_proba(X))
    assert not np.array_equal(one, MLPClassifier(**options | {"random_state": 1}).fit(X, y).predict_proba(X))


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "nadam", "adamax", "rmsprop", "adagrad", "lion"])
def test_every_solver_descends(solver):
    X, y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
    network = MLPClassifier([10], solver=solver, max_iter=15, random_state=0, learning_rate_init=0.003).fit(X, y)
    assert network.loss_curve_[-1] < network.loss_curve_[0]


def test_rates_over_the_epochs():
    X, y = DIGITS[:400], NAMES[:400]  # two updates an epoch
    rates = {}
    for kind in ("constant", "invscaling", "exponential", "cosine", "one_cycle"):
        network = MLPClassifier([5], learning_rate=kind, learning_rate_init=0.1, max_iter=4, power_t=0.5).fit(X, y)
        rates[kind] = network._optimizer.lr
    expected = {"constant": 0.1, "invscaling": 0.1 / math.sqrt(1 + 8 * 200), "exponential": 0.001, "cosine": 0.0}
    for kind, rate in expected.items():
        assert rates[kind] == pytest.approx(rate, abs=1e-12), kind
    assert rates["one_cycle"] == pytest.approx(0.1 / 1e4)


def test_adaptive_rates_fall_and_then_end_the_fit():
    X, y = IRIS
    options = {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1e-5, "tol": 1.0, "max_iter": 100}
    network = MLPClassifier([5], n_iter_no_change=3, random_state=0, **options).fit(X, y)
    # One epoch with the best loss, four without improvement, then the rate falls; again, until it is at most 1e-6.
    assert network.n_iter_ == 1 + 4 + 4 + 4 and network._optimizer.lr == pytest.approx(1e-5 / 25)


def test_early_stopping_keeps_the_best_network():
    network = MLPClassifier([30], early_stopping=True, max_iter=60, n_iter_no_change=4, random_state=0,
                            learning_rate_init=0.01).fit(DIGITS, NAMES)  # fmt: skip
    assert network.best_validation_score_ == max(network.validation_scores_) > 0.9
    assert len(network.validation_scores_) == network.n_iter_ < 60 and network.best_loss_ is None


def test_a_fit_that_does_not_converge_warns():
    X, y = IRIS
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2.*n_iter_no_change=math.inf"):
        MLPClassifier([5], max_iter=2).fit(X, y)
    for silent in ({"n_iter_no_change": math.inf}, {"learning_rate": "cosine"}):
        with pytest.warns() as warned:
            MLPClassifier([5], max_iter=2, **silent).fit(X, y)
            warnings.warn("nothing else", UserWarning, stacklevel=1)
        assert [str(warning.message) for warning in warned] == ["nothing else"]


# Weights


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 2: 0.5}])
def test_an_integer_weight_equals_repetitions(class_weight):
    X, y = IRIS[0][::3], IRIS[1][::3]
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    options = QUICK | {"class_weight": class_weight, "max_iter": 50}
    one = MLPClassifier(**options).fit(X, y, sample_weight=weights)
    other = MLPClassifier(**options).fit(X.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-6)


def test_an_example_of_weight_0_is_left_out_of_any_batch():
    used = np.arange(600) % 3 > 0
    one = MLPClassifier(**QUICK, batch_size=32).fit(DIGITS[:600], NAMES[:600], sample_weight=used)
    other = MLPClassifier(**QUICK, batch_size=32).fit(DIGITS[:600][used], NAMES[:600][used])
    np.testing.assert_allclose(one.predict_proba(DIGITS), other.predict_proba(DIGITS), rtol=1e-4)


# Targets


def test_several_labels():
    X, Y = make_multilabel_classification(200, n_classes=4, random_state=0)
    X = StandardScaler().fit_transform(X)
    network = MLPClassifier([30], max_iter=150, learning_rate_init=0.01, random_state=0).fit(X, Y)
    assert network.predict(X).shape == Y.shape and (network.predict(X) == Y).mean() > 0.9
    assert network.score(X, Y) > 0.7 and network.classes_.tolist() == [0, 1, 2, 3]
    network.partial_fit(X, Y)
    with pytest.raises(ValueError, match="class_weight needs one label an example"):
        MLPClassifier(class_weight="balanced").fit(X, Y)


def test_several_numbers():
    X, y = load_diabetes(return_X_y=True)
    Y = np.stack([y, -2 * y], axis=1)
    network = TransformedTargetRegressor(
        MLPRegressor([30], learning_rate_init=0.01, random_state=0), transformer=StandardScaler()
    )
    network.fit(X, Y)
    assert network.score(X, Y) > 0.5 and network.predict(X).shape == Y.shape
    for loss in ("absolute_error", "huber"):
        assert MLPRegressor([5], loss=loss, max_iter=2).fit(X, y).predict(X).shape == y.shape


# Continued fits


def test_partial_fit_continues_and_is_pickled():
    X, y = IRIS
    one = MLPClassifier(**QUICK).partial_fit(X[:100], y[:100], classes=[0, 1, 2])
    other = pickle.loads(pickle.dumps(one))
    for network in (one, other):
        network.partial_fit(X, y)
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))
    assert one.n_iter_ == 2 and one.t_ == 250 and len(one.loss_curve_) == 2
    assert not hasattr(clone(one), "model_")


def test_warm_start_continues():
    X, y = IRIS
    network = MLPClassifier(**QUICK, warm_start=True).fit(X, y)
    first = network.loss_
    network.fit(X, y)
    assert network.n_iter_ == 10 and network.loss_ < first


def test_the_network_is_saved_with_its_classes(tmp_path):
    X, y = IRIS
    network = MLPClassifier(**QUICK).fit(X, load_iris().target_names[y])
    minidnn.save(network.model_, tmp_path / "iris.safetensors")
    model = minidnn.load(tmp_path / "iris.safetensors")
    assert model.meaning.classes == ("setosa", "versicolor", "virginica")
    assert np.array_equal(model(X.astype(np.float32)).numpy(), network.model_(X.astype(np.float32)).numpy())


# With scikit-learn's tools


def test_in_a_pipeline_and_a_grid_search():
    X, y = IRIS
    pipeline = make_pipeline(StandardScaler(), MLPClassifier([10], max_iter=60, random_state=0))
    grid = {"mlpclassifier__dropout": [0.0, 0.2], "mlpclassifier__learning_rate_init": [1e-4, 0.02]}
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X, y)
    assert search.best_params_["mlpclassifier__learning_rate_init"] == 0.02 and search.best_score_ > 0.85


def test_columns_of_a_frame_and_their_importance():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {"x": rng.normal(size=300), "noise": rng.normal(size=300), "kind": rng.choice(["a", "b"], 300)}
    )
    y = (frame["x"] + 2 * (frame["kind"] == "a") > 1).map({True: "high", False: "low"})
    columns = ColumnTransformer([("numbers", StandardScaler(), ["x", "noise"]), ("kind", OneHotEncoder(), ["kind"])])
    model = make_pipeline(columns, MLPClassifier([10], max_iter=100, learning_rate_init=0.01, random_state=0)).fit(
        frame, y
    )
    assert model.score(frame, y) > 0.95
    found = permutation_importance(model, frame, y, n_repeats=3, random_state=0).importances_mean
    assert found[1] < 0.05 < min(found[0], found[2])
    alone = MLPClassifier(**QUICK).fit(frame[["x", "noise"]], y)
    assert alone.feature_names_in_.tolist() == ["x", "noise"] == list(alone.model_.meaning.columns)
    with pytest.raises(ValueError, match="feature names"):
        alone.predict(frame[["noise", "x"]])


def test_calibrated():
    X, y = DIGITS[:600], NAMES[:600]
    network = MLPClassifier([20], max_iter=30, learning_rate_init=0.01, random_state=0)
    calibrated = CalibratedClassifierCV(network, cv=3).fit(X, y, sample_weight=np.ones(600))
    p = calibrated.predict_proba(DIGITS[600:])
    assert np.allclose(p.sum(axis=1), 1) and log_loss(NAMES[600:], p) < 1.0


def test_sparse_text():
    texts = ["good film", "great film", "a good story", "bad film", "awful story", "a bad awful film"] * 5
    y = [1, 1, 1, 0, 0, 0] * 5
    model = make_pipeline(TfidfVectorizer(), MLPClassifier([8], max_iter=100, learning_rate_init=0.05, random_state=0))
    assert model.fit(texts, y).score(texts, y) == 1
    X = model[0].transform(texts)
    dense = clone(model[1]).fit(X.toarray(), y)
    assert np.array_equal(model[1].predict_proba(X), dense.predict_proba(X.toarray()))


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "lbfgs"}, r"MLPClassifier: solver is 'lbfgs', must be one of 'sgd', 'adam'"),
        ({"activation": "rleu"}, "activation is 'rleu', must be one of 'relu'"),
        ({"learning_rate": "step"}, "learning_rate is 'step', must be one of"),
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes is \(\), .*sklearn.linear_model"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be at least 1"),
        ({"batch_size": "all"}, "batch_size is 'all', must be one of 'auto'"),
        ({"alpha": -1}, "alpha must be finite and at least 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\)"),
        ({"class_weight": {7: 1}}, "class_weight has the class 7; there are 0, 1, 2"),
        ({"precision": "half"}, "precision is 'half'"),
        ({"early_stopping": True, "validation_fraction": 1.0}, r"validation_fraction must be in \[0, 1\)"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be in \[0, 1\)"),
    ],
    ids=str,
)
def test_invalid_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**{"hidden_layer_sizes": (5,), **options}).fit(*IRIS)


def test_other_things_are_refused():
    X, y = IRIS
    with pytest.raises(NotFittedError):
        MLPClassifier().predict(X)
    with pytest.raises(ValueError, match="only one class"):
        MLPClassifier().fit(X[:50], y[:50])
    with pytest.raises(ValueError, match=r"give classes=np\.unique"):
        MLPClassifier().partial_fit(X, y)
    fitted = MLPClassifier(**QUICK).partial_fit(X[:100], y[:100], classes=[0, 1])
    with pytest.raises(ValueError, match="y has the class 2"):
        fitted.partial_fit(X, y)
    with pytest.raises(ValueError, match="early_stopping"):
        MLPRegressor(early_stopping=True).partial_fit(X, y)
    with pytest.raises(ValueError, match="'constant' or 'invscaling'"):
        MLPRegressor(learning_rate="cosine").partial_fit(X, y)
    with pytest.raises(ValueError, match="must be one of the two"):
        Autoencoder(masking=0.1, noise=0.1).fit(X)
    assert not hasattr(MLPClassifier(), "coefs_") and not hasattr(RBM(), "components_")


@pytest.mark.parametrize("fault", [{"solver": "lbfgs"}, {"solver": "sgd", "learning_rate_init": 1e30}], ids=str)
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(fault):
    X, y = IRIS
    network = MLPClassifier(**QUICK).fit(X, y)
    before = network.predict_proba(X)
    network.set_params(**fault)
    with pytest.raises((ValueError, ArithmeticError)):
        network.fit(X[:, :2], y > 0)
    assert np.array_equal(network.predict_proba(X), before) and network.classes_.tolist() == [0, 1, 2]


def test_without_scikit_learn_the_error_names_the_extra():
    code = (
        "import sys\nsys.modules['sklearn'] = None\nimport minidnn, minidnn.sklearn\n"
        "print(minidnn.sklearn.__all__)\ntry:\n    minidnn.sklearn.RBM\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "minidnn[sklearn]"' in done.stdout
    code = "import sys, minidnn; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_verbose_shows_progress(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    MLPClassifier(**QUICK).fit(*IRIS)
    assert shown.getvalue() == ""
    MLPClassifier(**QUICK, verbose=True).fit(*IRIS)
    assert "epoch 5/5: loss" in shown.getvalue()


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor, RBM, Autoencoder])
def test_the_example_of_the_docstring_runs(kind):
    runner = doctest.DocTestRunner()
    [example] = doctest.DocTestFinder(recurse=False).find(kind, kind.__name__)
    assert example.examples and runner.run(example).failed == 0
