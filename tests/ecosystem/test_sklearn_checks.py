"""scikit-learn's own checks of estimators; none is expected to fail."""

import pytest

pytest.importorskip("sklearn")
from sklearn.utils.estimator_checks import parametrize_with_checks

from minidnn.sklearn import RBM, Autoencoder, MLPClassifier, MLPRegressor

ESTIMATORS = [
    MLPClassifier(max_iter=50),
    MLPRegressor(max_iter=50),
    MLPClassifier([8], "elu", max_iter=50, solver="nadam", learning_rate_init=0.01, precision="float64", max_norm=3.0),
    RBM(n_iter=2),
    Autoencoder(max_iter=20),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_check(estimator, check):
    check(estimator)
