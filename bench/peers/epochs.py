"""An epoch of 55,000 shuffled images of MNIST, each framework through its own loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .workers import ROOT
from .workloads import SMALL, Workload

TITLE, UNIT = "epoch of 55,000 images, milliseconds", 1e3
WORKERS = {
    "minidnn": ("minidnn fit",),
    "torch": ("torch DataLoader", "torch compile, indexed"),
    "jax": ("jax scan",),
    "tensorflow": ("keras fit",),
}
DIGITS = 0
PROOF = 1


@dataclass(frozen=True)
class Epoch:
    name: str
    workload: Workload


CASES = [Epoch("784-300-50-10, batch 50, momentum", Workload("", SMALL, 50))]
IMAGES = ROOT / "runs" / "peers" / "mnist.npz"


def prepare() -> None:
    """Leaves the images where the peers find them, who have no reader of MNIST."""
    from minidnn import data

    train = data.load_mnist().train
    IMAGES.parent.mkdir(parents=True, exist_ok=True)
    np.savez(IMAGES, images=train.x, labels=train.y)


def build(name: str, case: Epoch) -> tuple[Any, Any]:
    """A function that trains for an epoch, and one that gives the accuracy on the first 10,000 images."""
    with np.load(IMAGES) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    builder = {"minidnn": minidnn_fit, "torch": torch_loop, "jax": jax_scan, "keras": keras_fit}[name.split()[0]]
    return builder(name, case.workload, images, labels)


def apart(case: Epoch, mine: list[np.ndarray], theirs: list[np.ndarray]) -> str:
    """Everybody shuffles in an order of their own: the accuracies must be near one another."""
    return "" if abs(mine[0] - theirs[0]) < 0.02 else f"its accuracy is {theirs[0]:.3f}, minidnn's {mine[0]:.3f}"


def accuracy(logits: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    return [np.asarray((np.asarray(logits).argmax(axis=1) == labels[:10000]).mean())]


def minidnn_fit(name: str, workload: Workload, images: np.ndarray, labels: np.ndarray):
    from minidnn import data, no_grad, training

    from .minidnn_steps import network

    model, optimizer = network(workload)
    train = data.ArrayDataset(images, labels)

    def run():
        training.fit(model, train, optimizer=optimizer, epochs=1, batch_size=workload.batch, progress=False)

    def read():
        with no_grad():
            return accuracy(model(images[:10000] / np.float32(255)).data, labels)

    return run, read


def torch_loop(name: str, workload: Workload, images: np.ndarray, labels: np.ndarray):
    import torch

    from .torch_steps import network

    model, step = network(workload)
    x, y = torch.from_numpy(images / np.float32(255)), torch.from_numpy(labels.astype(np.int64))
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, y), workload.batch, shuffle=True, drop_last=True
    )
    compiled = torch.compile(step)

    def with_loader():
        for batch in loader:
            step(*batch)

    def indexed():
        for rows in torch.randperm(len(x)).split(workload.batch):
            compiled(x[rows], y[rows])

    def read():
        with torch.no_grad():
            return accuracy(model(x[:10000]).numpy(), labels)

    return (with_loader if name == "torch DataLoader" else indexed), read


def jax_scan(name: str, workload: Workload, images: np.ndarray, labels: np.ndarray):
    import jax
    import jax.numpy as jnp

    from .jax_steps import network

    state, step, forward = network(workload)
    x, y = jnp.asarray(images / np.float32(255)), jnp.asarray(labels.astype(np.int32))

    def epoch(state, key, x, y):
        order = jax.random.permutation(key, len(x)).reshape(-1, workload.batch)
        return jax.lax.scan(lambda state, rows: step(state, x[rows], y[rows]), state, order)

    compiled, held = jax.jit(epoch, donate_argnums=(0,)), [state, jax.random.PRNGKey(3)]

    def run():
        held[1], used = jax.random.split(held[1])
        held[0], losses = compiled(held[0], used, x, y)
        jax.block_until_ready(losses)

    return run, lambda: accuracy(forward(held[0][0], x[:10000]), labels)


def keras_fit(name: str, workload: Workload, images: np.ndarray, labels: np.ndarray):
    import keras

    layers = [keras.layers.Dense(n, "relu") for n in workload.sizes[1:-1]]
    model = keras.Sequential([keras.Input(workload.sizes[:1]), *layers, keras.layers.Dense(workload.sizes[-1])])
    model.set_weights(workload.parameters())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    x = images / np.float32(255)

    def run():
        model.fit(x, labels, batch_size=workload.batch, epochs=1, verbose=0)

    return run, lambda: accuracy(model.predict(x[:10000], verbose=0), labels)
