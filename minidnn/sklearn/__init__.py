"""scikit-learn estimators: perceptrons, and restricted Boltzmann machines and autoencoders as transformers.

They work in pipelines, grid searches and everything else that takes scikit-learn estimators. Arguments that
scikit-learn has keep their names and meanings: ``sklearn.neural_network.MLPClassifier`` can be replaced by changing the
import. They need scikit-learn: ``pip install "minidnn[sklearn]"``. See docs/sklearn.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minidnn.sklearn.autoencoder import Autoencoder
    from minidnn.sklearn.classifier import MLPClassifier
    from minidnn.sklearn.rbm import RBM
    from minidnn.sklearn.regressor import MLPRegressor

__all__ = ["RBM", "Autoencoder", "MLPClassifier", "MLPRegressor"]

# Loaded on first use: the module can be imported without scikit-learn.
_LAZY = {"Autoencoder": "autoencoder", "MLPClassifier": "classifier", "MLPRegressor": "regressor", "RBM": "rbm"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'minidnn.sklearn' has no attribute {name!r}")
    try:
        import_module("sklearn")
    except ImportError:
        raise ImportError(
            f'minidnn.sklearn.{name} needs scikit-learn; install it with: pip install "minidnn[sklearn]"'
        ) from None
    return getattr(import_module(f"minidnn.sklearn.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__all__", "__doc__", "__file__", "__name__", "__path__"])
