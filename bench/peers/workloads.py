"""Networks, initial parameters and batches, the same for all frameworks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Workload:
    name: str
    sizes: tuple[int, ...]
    batch: int
    optimizer: str = "momentum"  # of 0.9; or "sgd"; or "adam", whose rate is 0.001
    rate: float = 0.01
    decay_steps: int = 0  # steps in which the rate falls exponentially to a tenth; 0: constant
    activation: str = "relu"
    dropout: float = 0.0  # on inputs and hidden layers
    batch_norm: bool = False  # before each hidden activation, eps 0.001
    l1: float = 0.0  # on kernels

    def parameters(self) -> list[np.ndarray]:
        """Kernel, bias (and gamma, beta) of each layer."""
        rng, arrays = np.random.default_rng(1), []
        layers = list(pairwise(self.sizes))
        for i, (n_in, n_out) in enumerate(layers):
            limit = (6 / (n_in + n_out)) ** 0.5
            arrays += [rng.uniform(-limit, limit, (n_in, n_out)).astype(np.float32), np.zeros(n_out, np.float32)]
            if self.batch_norm and i + 1 < len(layers):
                arrays += [np.ones(n_out, np.float32), np.zeros(n_out, np.float32)]
        return arrays

    def batch_of(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(2)
        x = rng.random((self.batch, self.sizes[0]), dtype=np.float32)
        return x, rng.integers(0, self.sizes[-1], self.batch)


SMALL, WIDE = (784, 300, 50, 10), (784, 1024, 1024, 10)

WORKLOADS = [
    Workload("784-300-50-10, batch 50, momentum", SMALL, 50),
    Workload("same, Adam", SMALL, 50, "adam"),
    Workload("same, momentum, dropout 0.5", SMALL, 50, dropout=0.5),
    Workload("same, momentum, ELU and batch norm", SMALL, 50, activation="elu", batch_norm=True),
    Workload("same, batch 200, SGD, l1", SMALL, 200, "sgd", l1=0.001),
    Workload("784-1024-1024-10, batch 256, Adam", WIDE, 256, "adam"),
    Workload("same, batch 2048", WIDE, 2048, "adam"),
    Workload("64-32-10, batch 32, momentum", (64, 32, 10), 32),
]
