"""Sparse models: the chapter's three ways to zeros, and gradual pruning, compared on MNIST.

784-300-50-10 ReLU, momentum 0.9, batches of 50, 5 epochs. The smallest weights of a network trained as usual, and of
one trained with a strong l1 penalty, are set to zero. FTRL with l1 makes zeros itself, in 2 more epochs of the first
network. Gradual pruning continues from the first network, too: 2 more epochs from each density to the next. The
smallest weights are selected over all layers together.

    python examples/deploy/sparse.py --seeds 1        # writes runs/reproduce/sparse.png
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

import minidnn
from minidnn import cli, data, deploy, kernels, nn, optim, schedules, training
from minidnn.data import ArrayDataset
from minidnn.data.types import Floats32
from minidnn.study import Study, uninterrupted

DENSITIES = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02)
SHOWN = 0.1
"""The density whose models are timed."""
TRAINED, L1, FTRL, PRUNED = "trained, then zeroed", "strong l1, then zeroed", "FTRL with l1", "pruned gradually"

Curves = dict[str, list[float]]
Models = dict[str, nn.Module]


class Result(NamedTuple):
    """The result of one seed.

    Attributes:
        curves: accuracies over DENSITIES.
        models: those of density SHOWN, and the dense one.
        ftrl_density: density of the FTRL model before weights were set to zero.
        longer_trained: the accuracy of the dense network after as many epochs as the pruned one had at SHOWN.
    """

    curves: Curves
    models: Models
    ftrl_density: float
    longer_trained: float


def run(seeds: Sequence[int], quick: bool = False, progress: bool = True) -> Study:
    mnist = data.load_mnist()
    train, test = (mnist.train[:5000], mnist.test[:1000]) if quick else (mnist.train, mnist.test)
    lesson = Lesson(train, test, 5 * len(train) // 50, progress)
    results = [lesson.run(seed) for seed in seeds]
    curves, at = [result.curves for result in results], DENSITIES.index(SHOWN)
    accuracies = {"dense": [of[TRAINED][0] for of in curves]}
    accuracies |= {name: [of[name][at] for of in curves] for name in (TRAINED, L1, FTRL, PRUNED)}
    losses = [100 * (dense - pruned) for dense, pruned in zip(accuracies["dense"], accuracies[PRUNED], strict=True)]
    equal = [100 * (of.longer_trained - pruned) for of, pruned in zip(results, accuracies[PRUNED], strict=True)]
    lost = f"{PRUNED} to {SHOWN:.0%}, points below the dense network"
    return Study(
        "sparse",
        "784-300-50-10 with fewer weights",
        "density",
        DENSITIES,
        {name: [of[name] for of in curves] for name in (TRAINED, L1, FTRL, PRUNED)},
        measured={
            f"{FTRL}, density before any is set to zero": median(result.ftrl_density for result in results),
            f"{lost}, median": median(losses),
            f"{lost}, maximum": max(losses),
            f"{lost} trained equally long, median": median(equal),
            f"{lost} trained equally long, maximum": max(equal),
        },
        notes=_files(results[0].models, accuracies, mnist.test),
        bottom=None if quick else 0.9,
    )


class Lesson:
    """All four ways, from one seed."""

    def __init__(self, train: ArrayDataset, test: ArrayDataset, steps: int, progress: bool) -> None:
        self.train, self.test, self.steps, self.progress = train, test, steps, progress

    def run(self, seed: int) -> Result:
        minidnn.manual_seed(seed)
        dense = self.trained(network())
        ftrl = self.with_ftrl(copy_of(dense))
        models = {TRAINED: dense, L1: self.trained(network(nn.l1(5e-5))), FTRL: ftrl}
        curves = {name: [self.accuracy(zeroed(model, x)) for x in DENSITIES] for name, model in models.items()}
        models = {"dense": dense} | {name: zeroed(model, SHOWN) for name, model in models.items()}
        pruned, longer = copy_of(dense), copy_of(dense)
        curves[PRUNED] = [self.accuracy(pruned)]
        for before, density in pairwise(DENSITIES):
            sparsity = training.cubic_sparsity(1 - density, steps=self.steps // 5, initial=1 - before)
            self.train_on(pruned, training.Prune(sparsity, every=50, scope="global"))
            curves[PRUNED].append(self.accuracy(pruned))
            if density >= SHOWN:
                self.train_on(longer)
            if density == SHOWN:
                models[PRUNED] = copy_of(pruned)
        return Result(curves, models, deploy.density(ftrl), self.accuracy(longer))

    def trained(self, model: nn.Sequential) -> nn.Sequential:
        rate = schedules.exponential(0.1, decay_rate=1 / 10, decay_steps=2 * self.steps)
        return self.fit(model, optim.SGD(model.parameters(), rate, momentum=0.9), epochs=5)

    def with_ftrl(self, model: nn.Sequential) -> nn.Sequential:
        """l1 applies to the hidden kernels only: the output layer has just 500 weights."""
        hidden = [layer.kernel for layer in model[:-1]]
        others = [param for param in model.parameters() if all(param is not kernel for kernel in hidden)]
        groups = [{"params": hidden}, {"params": others, "l1": 0.0}]
        optimizer = optim.FTRL(groups, lr=0.1, l1=1.2, initial_accumulator=1.0)
        optimizer.warm_start()
        return self.fit(model, optimizer, epochs=2)

    def train_on(self, model: nn.Sequential, *callbacks: training.Callback) -> None:
        """Two epochs; with pruning, weights are pruned in the first one and recover in the second."""
        rate = schedules.exponential(0.03, decay_rate=1 / 10, decay_steps=2 * self.steps // 5)
        self.fit(model, optim.SGD(model.parameters(), rate, momentum=0.9), 2, *callbacks)

    def fit(
        self, model: nn.Sequential, optimizer: optim.Optimizer, epochs: int, *callbacks: training.Callback
    ) -> nn.Sequential:
        history = training.fit(
            model,
            self.train,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=50,
            callbacks=callbacks,
            progress=self.progress,
        )
        uninterrupted(history)
        return model

    def accuracy(self, model: nn.Module) -> float:
        return training.evaluate(model, self.test).accuracy


def network(regularizer: nn.l1 | None = None) -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(784, 300, activation="relu", kernel_regularizer=regularizer, name="hidden1"),
        nn.Dense(300, 50, activation="relu", kernel_regularizer=regularizer, name="hidden2"),
        nn.Dense(50, 10, kernel_regularizer=regularizer, name="outputs"),
    )


def copy_of(model: nn.Module) -> nn.Sequential:
    copy = network()
    copy.load_state_dict(model.state_dict())
    return copy


def zeroed(model: nn.Module, density: float) -> nn.Sequential:
    copy = copy_of(model)
    deploy.prune(copy, fraction=1 - density, scope="global")
    return copy


def _files(models: Models, accuracies: dict[str, list[float]], test: ArrayDataset) -> list[str]:
    """A table of the models of the first seed: size on disk, where zeros are not stored, and time for one image.

    The dense form skips inputs that are 0, four fifths of an image here; so inputs without zeros are timed, too.
    """
    image = test.images[:1].copy()
    others = np.full_like(image, 0.5)
    lines = [f"{'model':22}  density  accuracy  bytes on disk  us, an image  us, inputs without zeros"]
    for name, model in models.items():
        compiled = deploy.compile(model, sparse=name != "dense")
        with tempfile.TemporaryDirectory() as folder:
            compiled.save(path := Path(folder) / "model.mdnn")
            size = path.stat().st_size
        figures = f"{deploy.density(model):7.3f}  {median(accuracies[name]):8.4f}  {size:13,}"
        lines.append(f"{name:22}  {figures}  {_latency(compiled, image):12.1f}  {_latency(compiled, others):24.1f}")
    return lines


def _latency(model: deploy.InferenceModel, x: Floats32, calls: int = 2000) -> float:
    """The median with one thread, in microseconds."""
    threads = kernels.num_threads()
    minidnn.set_num_threads(1)
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        model.predict(x)
        times.append(time.perf_counter() - start)
    minidnn.set_num_threads(threads)
    return median(times) * 1e6


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "sparse", *sys.argv[1:]]))
