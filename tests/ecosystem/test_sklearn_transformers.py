"""`minidnn.sklearn.RBM` and `Autoencoder` with scikit-learn's tools."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from minidnn.sklearn import RBM, Autoencoder

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = load_iris(return_X_y=True)
DIGITS, NAMES = load_digits().data / 16, load_digits().target


def test_a_machine_finds_features():
    rbm = RBM(n_components=64, n_iter=10, learning_rate=0.05, random_state=0)
    pipeline = make_pipeline(rbm, LogisticRegression(max_iter=200))
    assert pipeline.fit(DIGITS[:1200], NAMES[:1200]).score(DIGITS[1200:], NAMES[1200:]) > 0.75
    hidden = 1 / (1 + np.exp(-(DIGITS @ rbm.components_.T + rbm.intercept_hidden_)))
    np.testing.assert_allclose(rbm.transform(DIGITS), hidden, atol=1e-5)
    assert rbm.visible_ == "bernoulli" and rbm.loss_curve_[-1] < rbm.loss_curve_[0]
    v = rbm.gibbs(DIGITS[:5])
    assert v.shape == (5, 64) and set(np.unique(v)) <= {0.0, 1.0}
    noise = np.random.default_rng(0).permuted(DIGITS, axis=1)
    assert rbm.score_samples(DIGITS).mean() > rbm.score_samples(noise).mean() + 10
    with pytest.raises(ValueError, match=r"X is between 0 and 16, must be in \[0, 1\].*MinMaxScaler"):
        rbm.transform(DIGITS * 16)


def test_gaussian_units_give_back_the_units_of_X():
    X = IRIS[0] * 100 + 1000
    rbm = RBM(n_components=16, n_iter=100, persistent=False, random_state=0).fit(X)
    back = rbm.inverse_transform(rbm.transform(X))
    assert rbm.visible_ == "gaussian" and np.corrcoef(back[:, 2], X[:, 2])[0, 1] > 0.8
    np.testing.assert_allclose(rbm.mean_, X.mean(axis=0))
    assert abs(back.mean() - X.mean()) < X.std()


def test_an_autoencoder_of_one_linear_layer_is_nearly_pca():
    X = StandardScaler().fit_transform(IRIS[0])
    best = ((X - (pca := PCA(2).fit(X)).inverse_transform(pca.transform(X))) ** 2).sum(axis=1).mean()
    auto = Autoencoder(2, learning_rate_init=0.02, max_iter=500, random_state=0).fit(X)
    assert best <= -auto.score(X) < 1.1 * best
    np.testing.assert_allclose(
        auto.score_samples(X), -((X - auto.inverse_transform(auto.transform(X))) ** 2).sum(axis=1), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(
    "options",
    [
        {"tied": True},
        {"masking": 0.3},
        {"noise": 0.3, "activation": "elu"},
        {"loss": "cross_entropy"},
        {"code_activation": "logistic", "sparsity": 0.1},
    ],
    ids=str,
)
def test_every_kind_of_autoencoder(options):
    auto = Autoencoder(8, [24], max_iter=15, learning_rate_init=0.01, random_state=0, **options).fit(DIGITS)
    assert auto.loss_curve_[-1] < auto.loss_curve_[0]
    assert ((DIGITS - auto.inverse_transform(auto.transform(DIGITS))) ** 2).sum(axis=1).mean() < DIGITS.var(
        axis=0
    ).sum()


@pytest.mark.parametrize("transformer", [RBM(3, n_iter=1), Autoencoder(3, max_iter=1)], ids=["rbm", "autoencoder"])
def test_names_of_features(transformer):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(IRIS[0], columns=["a", "b", "c", "d"])
    fitted = clone(transformer).fit(frame)
    prefix = type(transformer).__name__.lower()
    assert fitted.get_feature_names_out().tolist() == [f"{prefix}{i}" for i in range(3)]
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c", "d"] and fitted.n_features_in_ == 4
    assert fitted.set_output(transform="pandas").transform(frame).columns.tolist() == [f"{prefix}{i}" for i in range(3)]
