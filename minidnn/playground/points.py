"""Points in the plane, with classes or heights."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidnn.random import Generator

HALF = 100
"""The number of training points, and of test points."""

Points = tuple[Any, Any]
"""Float32 points (n, 2), most of them in [-1, 1], and their int64 classes 0 and 1 or float32 heights."""


def spirals(rng: Generator, n: int, noise: float) -> Points:
    """Two spiral arms of one and three quarter turns."""
    y = np.arange(n) % 2
    r = np.sqrt(rng.uniform(n))
    angle = 3.5 * np.pi * r + np.pi * y
    return _noisy(rng, np.stack([r * np.sin(angle), r * np.cos(angle)], 1), noise / 4), y


def circles(rng: Generator, n: int, noise: float) -> Points:
    """A disc and the ring around it."""
    y = np.arange(n) % 2
    u = rng.uniform(n)
    r, angle = np.where(y == 1, 0.5 * u, 0.7 + 0.3 * u), 2 * np.pi * rng.uniform(n)
    return _noisy(rng, np.stack([r * np.sin(angle), r * np.cos(angle)], 1), noise), y


def moons(rng: Generator, n: int, noise: float) -> Points:
    """Two interleaving half moons."""
    y = np.arange(n) % 2
    angle = np.pi * rng.uniform(n)
    x = np.where(y == 1, 0.5 - np.cos(angle), np.cos(angle) - 0.5)
    z = np.where(y == 1, 0.25 - np.sin(angle), np.sin(angle) - 0.25)
    return _noisy(rng, 0.65 * np.stack([x, z], 1), noise), y


def xor(rng: Generator, n: int, noise: float) -> Points:
    """Opposite quadrants have the same class."""
    x = rng.uniform((n, 2), -1, 1)
    x += np.where(x >= 0, 0.05, -0.05).astype(np.float32)
    return _noisy(rng, x / 1.05, noise), (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def plane(rng: Generator, n: int, noise: float) -> Points:
    """A slope: (x1 + x2) / 2."""
    x = rng.uniform((n, 2), -1, 1)
    return x, _heights(rng, x.mean(axis=1), noise)


def hills(rng: Generator, n: int, noise: float) -> Points:
    """Two hills and two hollows."""
    x = rng.uniform((n, 2), -1, 1)
    return x, _heights(rng, np.sin(np.pi * x[:, 0]) * np.sin(np.pi * x[:, 1]), noise)


CLASSIFICATION = {"spirals": spirals, "circles": circles, "moons": moons, "xor": xor}
REGRESSION = {"plane": plane, "hills": hills}


def own(points: list[tuple[float, float, int]], regression: bool) -> Points:
    """The points that the user drew: classes 0 and 1, or heights -1 and 1."""
    x = np.array([point[:2] for point in points], np.float32).reshape(-1, 2)
    label = np.array([point[2] for point in points], np.int64)
    return x, (2 * label - 1).astype(np.float32) if regression else label


def _noisy(rng: Generator, x: Any, noise: float) -> Any:
    return (x + rng.normal(x.shape, std=0.25 * noise)).astype(np.float32)


def _heights(rng: Generator, y: Any, noise: float) -> Any:
    return (y + rng.normal(y.shape, std=0.5 * noise)).astype(np.float32)
