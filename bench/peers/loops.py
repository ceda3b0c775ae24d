"""Each framework's own loop over shuffled images: an epoch, and the network's outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .workers import ROOT
from .workloads import Workload

WORKERS = {
    "minidnn": ("minidnn fit",),
    "torch": ("torch DataLoader", "torch compile, indexed"),
    "jax": ("jax scan",),
    "tensorflow": ("keras fit",),
}
IMAGES = ROOT / "runs" / "peers" / "mnist.npz"


@dataclass(frozen=True)
class Loop:
    begin: Callable[[], None]
    """Resets parameters and optimizer to their initial state; compiled code stays."""
    epoch: Callable[[int | None], None]
    """Trains on all images, in the order with this number (see `orders`) or, for None, shuffled by the framework."""
    outputs: Callable[[np.ndarray], Any]
    """The logits of uint8 images."""

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        return float((np.asarray(self.outputs(images)).argmax(axis=1) == labels).mean())


SEEDS, EPOCHS = 3, 20
"""Order number EPOCHS * s + e is the order of `training.fit` in epoch e with seed s."""


def prepare() -> None:
    """Writes MNIST and the orders to IMAGES for the peers, which cannot import minidnn."""
    from minidnn import data, pipeline

    mnist = data.load_mnist()
    IMAGES.parent.mkdir(parents=True, exist_ok=True)
    test = {"test_images": mnist.test.x, "test_labels": mnist.test.y}
    generators = map(generator_of, range(SEEDS * EPOCHS))
    orders = np.stack([pipeline.permutation(len(mnist.train), *each.next_key()) for each in generators])
    np.savez(IMAGES, images=mnist.train.x, labels=mnist.train.y, orders=orders, **test)


def generator_of(order: int) -> Any:
    """The generator from which `training.fit` draws the order with this number."""
    from minidnn.random import Generator

    generator = Generator(order // EPOCHS)
    generator.draw = order % EPOCHS
    return generator


def orders() -> np.ndarray:
    """The orders, (SEEDS * EPOCHS, images)."""
    with np.load(IMAGES) as arrays:
        return arrays["orders"]


def loop_of(name: str, workload: Workload, images: np.ndarray, labels: np.ndarray) -> Loop:
    builder = {"minidnn": minidnn_fit, "torch": torch_loop, "jax": jax_scan, "keras": keras_fit}[name.split()[0]]
    return builder(name, workload, images, labels)


def scaled(images: np.ndarray) -> np.ndarray:
    return images / np.float32(255)


def minidnn_fit(name: str, workload: Workload, images: np.ndarray, labels: np.ndarray) -> Loop:
    from minidnn import data, no_grad, training

    from .minidnn_steps import network

    train, held = data.ArrayDataset(images, labels), []

    def begin() -> None:
        held[:] = network(workload)

    def epoch(order: int | None) -> None:
        model, optimizer = held
        rng = None if order is None else generator_of(order)
        training.fit(model, train, optimizer=optimizer, epochs=1, batch_size=workload.batch, rng=rng, progress=False)

    def outputs(some: np.ndarray) -> np.ndarray:
        with no_grad():
            return held[0](scaled(some)).data

    return Loop(begin, epoch, outputs)


def torch_loop(name: str, workload: Workload, images: np.ndarray, labels: np.ndarray) -> Loop:
    import copy

    import torch

    from .torch_steps import network

    model, optimizer, step = network(workload)
    initial = copy.deepcopy(model.state_dict())
    x, y = torch.from_numpy(scaled(images)), torch.from_numpy(labels.astype(np.int64))
    pairs = torch.utils.data.TensorDataset(x, y)
    compiled, given = torch.compile(step), torch.from_numpy(orders())

    def rows_of(order: int | None) -> torch.Tensor:
        return torch.randperm(len(x)) if order is None else given[order]

    def begin() -> None:
        model.load_state_dict(initial)
        if workload.decay_steps:
            optimizer.param_groups[0]["lr"].fill_(workload.rate)
        for slots in optimizer.state.values():
            slots["momentum_buffer"].zero_()

    def with_loader(order: int | None) -> None:
        for batch in torch.utils.data.DataLoader(pairs, workload.batch, sampler=rows_of(order).tolist()):
            step(*batch)

    def indexed(order: int | None) -> None:
        for rows in rows_of(order).split(workload.batch):
            compiled(x[rows], y[rows])

    def outputs(some: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(scaled(some))).numpy()

    return Loop(begin, with_loader if name == "torch DataLoader" else indexed, outputs)


def jax_scan(name: str, workload: Workload, images: np.ndarray, labels: np.ndarray) -> Loop:
    import jax
    import jax.numpy as jnp

    from .jax_steps import network

    _, step, forward = network(workload)
    x, y = jnp.asarray(scaled(images)), jnp.asarray(labels.astype(np.int32))

    def through(state, order, x, y):
        batches = order.reshape(-1, workload.batch)
        return jax.lax.scan(lambda state, rows: step(state, x[rows], y[rows]), state, batches)

    def shuffled(state, key, x, y):
        return through(state, jax.random.permutation(key, len(x)), x, y)

    in_order, compiled = (jax.jit(function, donate_argnums=(0,)) for function in (through, shuffled))
    held, key, given = [], [jax.random.PRNGKey(3)], jnp.asarray(orders().astype(np.int32))

    def begin() -> None:
        held[:] = [network(workload)[0]]

    def epoch(order: int | None) -> None:
        if order is None:
            key[0], used = jax.random.split(key[0])
            held[0], losses = compiled(held[0], used, x, y)
        else:
            held[0], losses = in_order(held[0], given[order], x, y)
        jax.block_until_ready(losses)

    return Loop(begin, epoch, lambda some: forward(held[0][0], jnp.asarray(scaled(some))))


def keras_fit(name: str, workload: Workload, images: np.ndarray, labels: np.ndarray) -> Loop:
    import keras

    layers = [keras.layers.Dense(n, "relu") for n in workload.sizes[1:-1]]
    model = keras.Sequential([keras.Input(workload.sizes[:1]), *layers, keras.layers.Dense(workload.sizes[-1])])
    rate: Any = workload.rate
    if workload.decay_steps:
        rate = keras.optimizers.schedules.ExponentialDecay(workload.rate, workload.decay_steps, 0.1)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, given = scaled(images), orders()

    def begin() -> None:
        model.set_weights(workload.parameters())
        for variable in optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(np.zeros(variable.shape, variable.dtype))

    def epoch(order: int | None) -> None:
        options = {"batch_size": workload.batch, "epochs": 1, "verbose": 0}
        if order is None:
            model.fit(x, labels, **options)
        else:  # fit takes no order
            model.fit(x[given[order]], labels[given[order]], shuffle=False, **options)

    return Loop(begin, epoch, lambda some: model.predict(scaled(some), verbose=0))
