"""Transformations of pixel values: ``apply(images, u)`` on float32 (n, h, w, c) in [0, 1], clipped to [0, 1].

`minidnn.data.augment.Augment` refuses images outside of [0, 1] before it calls them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from minidnn.checks import number
from minidnn.data.types import Floats32, Indices
from minidnn.pipeline import example_bits
from minidnn.reference.normal import normal_quantile

Floats = npt.NDArray[np.float64]
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the luma (ITU-R BT.601)."""


def _each(u: Floats, low: float, high: float) -> Floats32:
    """One number per example, (n, 1, 1, 1), which broadcasts over its pixels."""
    return (low + (high - low) * u[:, np.newaxis, np.newaxis, np.newaxis]).astype(np.float32)


def _grey(images: Floats32) -> Floats32:
    return (images @ LUMA)[..., np.newaxis] if images.shape[-1] == 3 else images


def _clipped(images: Floats32) -> Floats32:
    return np.clip(images, np.float32(0), np.float32(1))


@dataclass(frozen=True)
class brightness:
    """Adds a number from -``most`` to ``most`` to every pixel of an image.

    Raises:
        ValueError: most is negative or not finite.
    """

    most: float

    def __post_init__(self) -> None:
        number("brightness", "most", self.most)

    def apply(self, images: Floats32, u: Floats) -> Floats32:
        return _clipped(images + _each(u[:, 0], -self.most, self.most))


@dataclass(frozen=True)
class contrast:
    """Multiplies the distance from the image's mean by a factor from ``low`` to ``high``.

    Raises:
        ValueError: not 0 <= low <= high.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range("contrast", self.low, self.high)

    def apply(self, images: Floats32, u: Floats) -> Floats32:
        mean = _grey(images).mean(axis=(1, 2, 3), keepdims=True)
        return _clipped(mean + (images - mean) * _each(u[:, 0], self.low, self.high))


@dataclass(frozen=True)
class saturation:
    """Multiplies the distance of each pixel's colour from its grey by a factor from ``low`` to ``high``; 0 is grey.

    Grey images stay as they are.

    Raises:
        ValueError: not 0 <= low <= high.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range("saturation", self.low, self.high)

    def apply(self, images: Floats32, u: Floats) -> Floats32:
        if images.shape[-1] == 1:
            return images
        grey = _grey(images)
        return _clipped(grey + (images - grey) * _each(u[:, 0], self.low, self.high))


@dataclass(frozen=True)
class hue:
    """Rotates the hue of HSV by up to ``degrees`` in either direction; saturation and value stay.

    Grey images stay as they are.

    Raises:
        ValueError: degrees is negative or not finite.
    """

    degrees: float

    def __post_init__(self) -> None:
        number("hue", "degrees", self.degrees)

    def apply(self, images: Floats32, u: Floats) -> Floats32:
        if images.shape[-1] == 1:
            return images
        value, chroma = images.max(axis=-1), np.ptp(images, axis=-1)
        sixth = _hue_in_sixths(images, value, chroma)
        turn = _each(u[:, 0], -self.degrees / 60, self.degrees / 60)[..., 0]
        # Foley & van Dam: each channel is V - C * clamp(min(k, 4 - k), 0, 1), k its distance on the wheel.
        k = (np.array([5, 3, 1], np.float32) + (sixth + turn)[..., np.newaxis]) % np.float32(6)
        return value[..., np.newaxis] - chroma[..., np.newaxis] * np.clip(np.minimum(k, 4 - k), 0, 1)


def _hue_in_sixths(images: Floats32, value: Floats32, chroma: Floats32) -> Floats32:
    red, green, blue = (images[..., i] for i in range(3))
    c = np.where(chroma > 0, chroma, np.float32(1))
    sixth = np.where(
        value == red, (green - blue) / c, np.where(value == green, (blue - red) / c + 2, (red - green) / c + 4)
    )
    return np.where(chroma > 0, sixth, 0).astype(np.float32)


@dataclass(frozen=True)
class noise:
    """Adds white Gaussian noise of standard deviation ``std`` to each pixel.

    Noise seldom helps: augmentation works when it makes instances that could be real, such as a slightly shifted
    digit, from which the network learns what does not matter. White noise only hides the image.

    Raises:
        ValueError: std is negative or not finite.
    """

    std: float

    def __post_init__(self) -> None:
        number("noise", "std", self.std)

    def add(self, images: Floats32, examples: Indices, key: tuple[int, int, int], place: int) -> Floats32:
        bits = example_bits(examples, int(np.prod(images.shape[1:])), key, place)
        standard = normal_quantile((bits + 0.5) * 2.0**-32).astype(np.float32).reshape(images.shape)
        return _clipped(images + np.float32(self.std) * standard)


def _check_range(owner: str, low: float, high: float) -> None:
    number(owner, "low", low)
    if number(owner, "high", high) < low:
        raise ValueError(f"{owner}: high is {high}, must not be below low, {low}")
