"""What the chapter's lessons share: MNIST, a network, and its accuracy at some numbers of updates."""

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from minidnn import Generator, data, nn, optim, training
from minidnn.data import Splits

BATCH = 50


@cache
def mnist() -> Splits:
    """The digits."""
    return data.load_mnist()


def network(
    seed: int,
    hidden: Sequence[int] = (100, 50),
    activation: str = "elu",
    initializer: Any = "he_normal",
    dropout: float = 0.0,
    **options: Any,
) -> nn.Sequential:
    """784-...-10; `options` go to each hidden `nn.Dense`."""
    rng = Generator(seed, stream=1)
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(zip((784, *hidden), hidden, strict=False), start=1):
        layers.append(nn.Dense(n_in, n_out, activation, initializer, name=f"hidden{i}", rng=rng, **options))
        if dropout:
            layers.append(nn.Dropout(dropout, rng=Generator(seed, stream=9 + i)))
    return nn.Sequential(*layers, nn.Dense(hidden[-1], 10, None, initializer, name="logits", rng=rng))


def accuracy(model: nn.Module, x: Any = None, y: Any = None) -> float:
    """The share of correctly classified digits of the test set, or of x; 0 if an output is not finite."""
    test = mnist().test
    outputs = logits(model, test.images if x is None else x)
    labels = np.asarray(test.labels if y is None else y)
    return float((outputs.argmax(axis=1) == labels).mean()) if np.isfinite(outputs).all() else 0.0


def logits(model: nn.Module, x: Any) -> Any:
    """The outputs in evaluation mode."""
    model.eval()
    outputs = model(x).numpy()
    model.train()
    return outputs


def learn(
    model: nn.Sequential,
    optimizer: optim.Optimizer,
    at: Sequence[int],
    seed: int,
    train: Any = None,
    probe: Callable[[nn.Sequential], float] = accuracy,
) -> list[float]:
    """Trains, and returns what `probe` measures after each number of updates in `at`."""

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), y)
        if model.is_regularized:
            loss = loss + model.regularization_loss()
        loss.backward()
        optimizer.step()
        return loss

    captured, rng, updates = training.Captured(step, model=model), Generator(seed, stream=2), 0
    found: list[float] = []
    while len(found) < len(at):
        for x, y in data.batches(mnist().train if train is None else train, BATCH, rng):
            captured(x, y)
            updates += 1
            if updates == at[len(found)]:
                found.append(probe(model))
                if len(found) == len(at):
                    break
    return found


def over_seeds(
    methods: Iterable[str], seeds: Iterable[int], one: Callable[[str, int], Sequence[float]], progress: bool
) -> dict[str, list[Sequence[float]]]:
    """Returns what ``one(method, seed)`` measures for each method and seed."""
    runs: dict[str, list[Sequence[float]]] = {method: [] for method in methods}
    for seed in seeds:
        for method, found in runs.items():
            found.append(one(method, seed))
            if progress:
                print(f"seed {seed}, {method}: {' '.join(map('{:.4f}'.format, found[-1]))}", file=sys.stderr)
    return runs
