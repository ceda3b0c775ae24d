"""A table of accuracy and time of `MLPClassifier`, scikit-learn's and minidnn's, with the same arguments.

Usage: python examples/beside_sklearn.py [--seeds 3] [digits | mnist10k | mnist | covertype] ...

Every fit has the same network, solver, batches and number of epochs; only the initial weights and the orders of the
examples differ. X is float32 for both. Times are CPU seconds, the median over the seeds, of alternating fits;
accuracies are means. Set OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1, else the time of waiting threads counts too.
"""

import argparse
import math
import time
import warnings
from statistics import mean, median

import numpy as np
from sklearn import neural_network
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from minidnn import data
from minidnn.sklearn import MLPClassifier

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def digits() -> Data:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X.astype(np.float32) / 16, y, test_size=0.25, random_state=0, stratify=y)
    return X, y, X_test, y_test


def mnist(n: int = 55000) -> Data:
    train, _, test = data.load_mnist()
    return train.images[:n], train.y[:n], test.images, test.y


def covertype() -> Data:
    """Synthetic data: a fifth of covertype's examples, as many columns and classes."""
    X, y = make_classification(120_000, 54, n_informative=20, n_redundant=10, n_classes=7, random_state=0)
    X, X_test, y, y_test = train_test_split(X.astype(np.float32), y, test_size=20_000, random_state=0)
    return X, y, X_test, y_test


TASKS = {
    "digits": (digits, 100),
    "mnist10k": (lambda: mnist(10_000), 20),
    "mnist": (mnist, 10),
    "covertype": (covertype, 10),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help=", ".join(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if unknown := set(given.tasks) - set(TASKS):
        parser.error(f"task {unknown.pop()!r} is unknown; give some of {', '.join(TASKS)}")
    warnings.simplefilter("ignore", ConvergenceWarning)
    kinds = (neural_network.MLPClassifier, MLPClassifier)
    print("| data | examples | epochs | accuracy: scikit-learn | minidnn | CPU s: scikit-learn | minidnn | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for name in given.tasks or TASKS:
        load, epochs = TASKS[name]
        X, y, X_test, y_test = load()
        accuracies: list[list[float]] = [[], []]
        seconds: list[list[float]] = [[], []]
        for seed in range(given.seeds):
            for place, kind in enumerate(kinds):
                network = kind((100,), max_iter=epochs, n_iter_no_change=math.inf, random_state=seed)
                start = time.process_time()
                network.fit(X, y)
                seconds[place].append(time.process_time() - start)
                accuracies[place].append(network.score(X_test, y_test))
        theirs, ours = map(median, seconds)
        shares = " | ".join(f"{mean(values):.4f}" for values in accuracies)
        size = f"{len(X):,} x {X.shape[1]}"
        print(
            f"| {name} | {size} | {epochs} | {shares} | {theirs:.2f} | {ours:.2f} | {theirs / ours:.1f} |", flush=True
        )


if __name__ == "__main__":
    main()
