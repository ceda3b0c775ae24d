"""Trains a network on MNIST, and classifies drawn digits with the compiled model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from minidnn import Generator, data, deploy, nn, no_grad, optim, training
from minidnn.data import Splits
from minidnn.nn.temporarily import modes_kept
from minidnn.playground.coding import as_base64

BATCH, TEST, FILTERS, WRONG = 50, 2000, 24, 24


@cache
def _mnist() -> Splits:
    return data.load_mnist()


class Digits:
    """784-300-50-10 on MNIST, trained with momentum, and the data that the page shows."""

    def __init__(self, seed: int = 1) -> None:
        rng = Generator(seed, stream=1)
        self.model = nn.Sequential(
            nn.Dense(784, 300, "relu", "he_normal", name="hidden1", rng=rng),
            nn.Dense(300, 50, "relu", "he_normal", name="hidden2", rng=rng),
            nn.Dense(50, 10, name="logits", rng=rng),
        )
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)
        self.step, self.seconds, self.loss = 0, 0.0, 0.0
        self.test = _mnist().test[:TEST]
        self._batches = self._endless(Generator(seed, stream=2))
        self._captured = training.Captured(self._train, model=self.model)

    def _endless(self, rng: Generator) -> Iterator[Any]:
        while True:
            yield from data.batches(_mnist().train, BATCH, rng)

    def _train(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def advance(self, updates: int) -> None:
        """Makes the given number of updates, and adds their time to ``seconds``."""
        start = time.perf_counter()
        for _ in range(updates):
            loss = self._captured(*next(self._batches))
            self.step += 1
        self.loss = loss.item()
        self.seconds += time.perf_counter() - start

    def frame(self) -> dict[str, Any]:
        """Loss, accuracy on test digits, filters, misclassified digits, confusion matrix."""
        with modes_kept(self.model), no_grad():
            self.model.eval()
            guess = self.model(self.test.images).numpy().argmax(axis=1)
        labels = np.asarray(self.test.labels)
        wrong = np.flatnonzero(guess != labels)[:WRONG]
        confusion = np.zeros((10, 10), np.int64)
        np.add.at(confusion, (labels, guess), 1)
        pixels = (255 * self.test.images[wrong]).astype(np.uint8)
        return {
            "step": self.step,
            "examples": self.step * BATCH,
            "seconds": round(self.seconds, 3),
            "loss": round(self.loss, 4),
            "accuracy": float((guess == labels).mean()),
            "filters": [_picture(column) for column in self.model.layers[0].tensors()["kernel"].numpy().T[:FILTERS]],
            "wrong": [
                {
                    "pixels": as_base64(picture),
                    "label": int(labels[i]),
                    "guess": int(guess[i]),
                }
                for picture, i in zip(pixels, wrong, strict=True)
            ],
            "confusion": confusion.tolist(),
        }

    def answer(self, pixels: bytes) -> dict[str, Any]:
        """The probabilities of the ten digits from the compiled model, and the time of one prediction.

        Raises:
            ValueError: there are not 784 pixels.
        """
        if len(pixels) != 784:
            raise ValueError(f"pixels has {len(pixels)} bytes, must have 784")
        x = np.frombuffer(pixels, np.uint8).astype(np.float32).reshape(1, 784) / np.float32(255)
        compiled = deploy.compile(nn.Sequential(*self.model.layers), sparse=False)
        compiled.predict(x)
        times = []
        for _ in range(20):
            start = time.perf_counter()
            logits = compiled.predict(x)
            times.append(time.perf_counter() - start)
        exps = np.exp(np.asarray(logits)[0].astype(np.float64) - np.max(logits))
        return {"probabilities": (exps / exps.sum()).round(4).tolist(), "microseconds": round(1e6 * min(times), 1)}


def _picture(weights: Any) -> str:
    """784 weights as bytes in base64; 0 is the middle of the range."""
    largest = max(float(np.abs(weights).max()), 1e-9)
    return as_base64(127.5 * (weights / largest + 1))
