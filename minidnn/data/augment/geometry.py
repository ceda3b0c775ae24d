"""Geometric transformations: each maps a pixel of the result to its place in the image.

``maps(u, shape)`` returns one (3, 3) matrix per example, which maps homogeneous coordinates (row, column, 1) about the
centre of the result to coordinates about the centre of the image; u holds four uniform numbers per example. The
matrices of a list are multiplied, so that an image is interpolated only once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from minidnn import kernels
from minidnn.checks import number
from minidnn.data.types import Floats32, Indices
from minidnn.pipeline import example_bits

Floats = npt.NDArray[np.float64]
Shape = tuple[int, int]


def _identity(n: int) -> Floats:
    return np.tile(np.eye(3), (n, 1, 1))


def _between(u: Floats, low: float, high: float) -> Floats:
    return low + (high - low) * u


@dataclass(frozen=True)
class shift:
    """Moves by up to ``pixels`` up or down and left or right, uniformly.

    Args:
        whole: shift by whole pixels only, which avoids blur.

    Raises:
        ValueError: pixels is negative or not finite.
    """

    pixels: float
    whole: bool = False

    def __post_init__(self) -> None:
        number("shift", "pixels", self.pixels)

    def maps(self, u: Floats, shape: Shape) -> Floats:
        maps = _identity(len(u))
        if self.whole:
            most = math.floor(self.pixels)
            maps[:, :2, 2] = np.floor(u[:, :2] * (2 * most + 1)) - most
        else:
            maps[:, :2, 2] = _between(u[:, :2], -self.pixels, self.pixels)
        return maps


@dataclass(frozen=True)
class rotate:
    """Rotates about the centre by up to ``degrees`` in either direction, uniformly.

    Raises:
        ValueError: degrees is negative or not finite.
    """

    degrees: float

    def __post_init__(self) -> None:
        number("rotate", "degrees", self.degrees)

    def maps(self, u: Floats, shape: Shape) -> Floats:
        maps, angle = _identity(len(u)), np.radians(_between(u[:, 0], -self.degrees, self.degrees))
        maps[:, 0, 0] = maps[:, 1, 1] = np.cos(angle)
        maps[:, 0, 1], maps[:, 1, 0] = np.sin(angle), -np.sin(angle)
        return maps


@dataclass(frozen=True)
class zoom:
    """Resizes by a factor from ``low`` to ``high``, uniform in its logarithm; above 1 the image grows.

    Args:
        stretch: draw the factors of height and width independently.

    Raises:
        ValueError: not 0 < low <= high.
    """

    low: float
    high: float
    stretch: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high < math.inf:
            raise ValueError(f"zoom: low and high must be 0 < low <= high, got {self.low} and {self.high}")

    def maps(self, u: Floats, shape: Shape) -> Floats:
        maps = _identity(len(u))
        maps[:, 0, 0] = np.exp(-_between(u[:, 0], math.log(self.low), math.log(self.high)))
        along = u[:, 1] if self.stretch else u[:, 0]
        maps[:, 1, 1] = np.exp(-_between(along, math.log(self.low), math.log(self.high)))
        return maps


@dataclass(frozen=True)
class shear:
    """Shears: shifts each row sideways by its distance from the centre row times the tangent of up to ``degrees``.

    Raises:
        ValueError: degrees is not in [0, 90).
    """

    degrees: float

    def __post_init__(self) -> None:
        number("shear", "degrees", self.degrees, below=90.0)

    def maps(self, u: Floats, shape: Shape) -> Floats:
        maps = _identity(len(u))
        maps[:, 1, 0] = np.tan(np.radians(_between(u[:, 0], -self.degrees, self.degrees)))
        return maps


@dataclass(frozen=True)
class flip:
    """Mirrors, with probability ``probability``: left to right, or top to bottom where ``vertical``.

    Raises:
        ValueError: probability is not in [0, 1].
    """

    vertical: bool = False
    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"flip: probability must be in [0, 1], got {self.probability}")

    def maps(self, u: Floats, shape: Shape) -> Floats:
        maps, axis = _identity(len(u)), 0 if self.vertical else 1
        maps[:, axis, axis] = np.where(u[:, 0] < self.probability, -1.0, 1.0)
        return maps


@dataclass(frozen=True)
class crop:
    """Cuts out a window of at least ``least`` of each side, anywhere within the image, and resizes it to the whole.

    Raises:
        ValueError: least is not in (0, 1].
    """

    least: float

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise ValueError(f"crop: least must be in (0, 1], got {self.least}")

    def maps(self, u: Floats, shape: Shape) -> Floats:
        maps, part = _identity(len(u)), _between(u[:, 0], self.least, 1.0)
        maps[:, 0, 0] = maps[:, 1, 1] = part
        room = (1 - part[:, np.newaxis]) / 2 * np.array(shape)  # of the window's centre, either way
        maps[:, :2, 2] = room * _between(u[:, 1:3], -1.0, 1.0)
        return maps


@dataclass(frozen=True)
class elastic:
    """Displaces each pixel by ``alpha`` times uniform noise in [-1, 1), smoothed by a Gaussian.

    Simard et al. 2003: imitates oscillations of the hand; with it a plain network reached 99.3 % on MNIST.

    Args:
        alpha: strength in pixels before smoothing; the paper's 34 for 29 x 29 images.
        sigma: the Gaussian's standard deviation in pixels, > 0; the paper's 4.

    Raises:
        ValueError: alpha is negative, sigma not positive.
    """

    alpha: float
    sigma: float

    def __post_init__(self) -> None:
        number("elastic", "alpha", self.alpha)
        if not 0 < self.sigma < math.inf:
            raise ValueError(f"elastic: sigma must be a finite number > 0, got {self.sigma}")

    def fields(self, examples: Indices, shape: Shape, key: tuple[int, int, int], place: int) -> Floats32:
        """Displacements (n, 2, h, w), in pixels."""
        h, w = shape
        bits = example_bits(examples, 2 * h * w, key, place)
        noise = ((bits >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)) * np.float32(
            self.alpha
        )
        # Two products with banded matrices smooth all rows, then all columns.
        along = kernels.matmul(noise.reshape(-1, w), self._gaussian(w)).reshape(-1, h, w)
        turned = np.ascontiguousarray(along.swapaxes(1, 2)).reshape(-1, h)
        smooth = kernels.matmul(turned, self._gaussian(h)).reshape(-1, w, h).swapaxes(1, 2)
        return np.ascontiguousarray(smooth).reshape(-1, 2, h, w)

    def _gaussian(self, n: int) -> Floats32:
        """The smoothing weights (n, n), symmetric; cut off at 3 sigma, with zeros beyond the edge."""
        distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        reach = math.ceil(3 * self.sigma)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / self.sigma) ** 2).sum()
        return np.where(distance <= reach, np.exp(-0.5 * (distance / self.sigma) ** 2) / weights, 0).astype(np.float32)
