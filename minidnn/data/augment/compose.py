"""Combines a list of transformations into one function of a batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidnn.checks import an_array, positive_integer
from minidnn.data.augment import colour, geometry
from minidnn.data.augment.geometry import Floats
from minidnn.data.types import Bytes, Floats32, Indices
from minidnn.pipeline import example_bits, resample

OfColour = colour.brightness | colour.contrast | colour.saturation | colour.hue


class Augment:
    """Makes new images from existing ones, different in each epoch; they depend only on (seed, epoch, example).

    The order of the examples, the batch size and the number of threads do not change a byte of the result.

    Args:
        transformations: those of `minidnn.data.augment`, and your own. The geometric ones act first, as one
            interpolation (elastic displacements before the others, which act in the order of the list); then those of
            pixel values and your own, in the order of the list. Your own is a function
            ``(images, examples, key) -> images``: images are float32 (n, h, w, channels), examples their numbers, key
            is the epoch's (seed, stream, epoch); `uniform` makes random numbers from the last two. An object with
            ``maps(u, shape)`` as in `minidnn.data.augment.geometry` acts with the geometric ones.
        image_shape: (h, w) for grey images, (h, w, 3) for RGB images.
        fill: the value of pixels from outside the image, in [0, 1].

    Raises:
        TypeError: an item of the list is not a transformation.
        ValueError: an invalid image_shape or fill.
    """

    def __init__(self, transformations: Sequence[Any], image_shape: tuple[int, ...], fill: float = 0.0) -> None:
        for i, transformation in enumerate(transformations):
            known = isinstance(transformation, OfColour | geometry.elastic | colour.noise) or _is_geometric(
                transformation
            )
            if isinstance(transformation, type) or not (known or callable(transformation)):
                kind = getattr(transformation, "__name__", f"a {type(transformation).__name__}")
                raise TypeError(
                    f"Augment: transformations[{i}] is {kind}, must be one of minidnn.data.augment such as shift(2), "
                    "or a function (images, examples, key) -> images"
                )
        if len(image_shape) not in (2, 3) or (len(image_shape) == 3 and image_shape[2] not in (1, 3)):
            raise ValueError(f"Augment: image_shape must be (h, w), (h, w, 1) or (h, w, 3), got {image_shape}")
        h, w, c = (*image_shape, 1)[:3]
        self.height = positive_integer("Augment", "image_shape[0]", h)
        self.width = positive_integer("Augment", "image_shape[1]", w)
        self.channels = int(c)
        if not 0 <= fill <= 1:
            raise ValueError(f"Augment: fill must be in [0, 1], got {fill}")
        self.transformations: tuple[Any, ...] = tuple(transformations)
        self.fill = float(fill)

    def __repr__(self) -> str:
        shape = (self.height, self.width, self.channels)
        return f"Augment({list(self.transformations)}, image_shape={shape}, fill={self.fill})"

    def __call__(self, x: Floats32 | Bytes, examples: Indices, key: tuple[int, int, int]) -> Any:
        """The augmented batch.

        Args:
            x: images of these examples, in any shape (n, ...) that holds them; uint8, or float32, which must be in
                [0, 1] for brightness, contrast, saturation, hue and noise.
            examples: int64 (n,), the number of each in its data set.
            key: (seed, stream, epoch).

        Returns:
            A new array of x's shape and dtype.

        Raises:
            TypeError: another dtype.
            ValueError: other shapes, values outside of [0, 1] for a transformation of colour, or something else than
                images from a function of your own.
        """
        an_array("Augment", "x", x)
        an_array("Augment", "examples", examples)
        if x.dtype not in (np.float32, np.uint8):
            raise TypeError(f"Augment: x is {x.dtype}, must be float32 or uint8")
        pixels = self.height * self.width * self.channels
        if x.ndim == 0 or x.size != len(x) * pixels or examples.shape != x.shape[:1]:
            shape = (self.height, self.width, self.channels)
            raise ValueError(f"Augment: x has shape {x.shape} and examples {examples.shape}, images have {shape}")
        images: Floats32 = x.astype(np.float32).reshape(len(x), self.height, self.width, self.channels)
        if x.dtype == np.uint8:
            images /= np.float32(255)
        made = self._of_values(self._of_places(images, examples, key), examples, key).reshape(x.shape)
        if x.dtype == np.uint8:
            _check_range("x is uint8, and what was made of it", made, "let your transformation clip to this range")
        return np.rint(made * np.float32(255)).astype(np.uint8) if x.dtype == np.uint8 else made

    def _of_places(self, images: Floats32, examples: Indices, key: tuple[int, int, int]) -> Floats32:
        shape, n = (self.height, self.width), len(images)
        total: Floats | None = None
        fields: Floats32 | None = None
        for place, transformation in enumerate(self.transformations):
            if isinstance(transformation, geometry.elastic):
                more = transformation.fields(examples, shape, key, place)
                fields = more if fields is None else fields + more
            elif _is_geometric(transformation):
                maps = transformation.maps(uniform(examples, 4, key, place), shape)
                total = maps if total is None else total @ maps
        if total is None and fields is None:
            return images
        if total is None:
            total = np.tile(np.eye(3), (n, 1, 1))
        nothing = np.empty((0, 2, *shape), np.float32)
        return resample(images, self._about_centre(total), nothing if fields is None else fields, self.fill)

    def _about_centre(self, maps: Floats) -> Floats32:
        """From coordinates about the centre to rows and columns."""
        centre = (np.array([self.height, self.width]) - 1) / 2
        offset = maps[:, :2, 2] + centre - (maps[:, :2, :2] @ centre)
        return np.concatenate([maps[:, :2, :2], offset[:, :, np.newaxis]], axis=2).astype(np.float32)

    def _of_values(self, images: Floats32, examples: Indices, key: tuple[int, int, int]) -> Floats32:
        in_range = False
        for place, transformation in enumerate(self.transformations):
            if isinstance(transformation, OfColour | colour.noise):
                if not in_range:
                    name = f"for {type(transformation).__name__} x"
                    _check_range(name, images, "scale x first, and standardize after augmentation, as data.Standardize")
                in_range = True  # their results are clipped
                if isinstance(transformation, colour.noise):
                    images = transformation.add(images, examples, key, place)
                else:
                    images = transformation.apply(images, uniform(examples, 4, key, place))
            elif not _is_geometric(transformation) and not isinstance(transformation, geometry.elastic):
                images = _own(place, transformation, images, examples, key)
                in_range = False
        return images


def _is_geometric(transformation: Any) -> bool:
    return callable(getattr(transformation, "maps", None))


def _own(place: int, function: Any, images: Floats32, examples: Indices, key: tuple[int, int, int]) -> Floats32:
    """The user's function applied to the images, which it may change in place."""
    made = np.asarray(function(images.copy(), examples, key))
    if made.dtype.kind != "f" or made.shape != images.shape:
        raise ValueError(
            f"Augment: transformations[{place}] gave {made.dtype} {made.shape}, must give float32 {images.shape}"
        )
    return made.astype(np.float32, copy=False)


def _check_range(what: str, images: Floats32, remedy: str) -> None:
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"Augment: {what} has values from {images.min()} to {images.max()}, must be in [0, 1]; {remedy}"
        )


def uniform(examples: Indices, n: int, key: tuple[int, int, int], place: int) -> Floats:
    """Random numbers for a transformation of your own: (len(examples), n), uniform in [0, 1).

    Each depends only on the example's number, the key and the place, not on the order or the threads.

    Args:
        place: distinguishes independent draws. Those of `Augment` use their index in the list; use 1000 or more.
    """
    return (example_bits(examples, n, key, place) >> np.uint32(8)).astype(np.float64) * 2.0**-24


def contact_sheet(
    augment: Augment, x: Floats32 | Bytes, path: str | os.PathLike[str] | None = None, columns: int = 10, seed: int = 0
) -> Any:
    """Draws each image of x, with its augmented versions in ``columns`` epochs to its right.

    Args:
        x: a few images.
        path: the file to write.

    Raises:
        ImportError: matplotlib is missing; names the extra.
        ValueError: no images, or another shape.
        OSError: the file cannot be written.
    """
    from minidnn import plot

    if not len(x):
        raise ValueError("contact_sheet: there are no images")
    shape = (len(x), augment.height, augment.width, augment.channels)
    examples = np.arange(len(x))
    epochs = [augment(x, examples, (seed, 0, epoch)).reshape(shape) for epoch in range(columns)]
    return plot.image_grid([np.asarray(x).reshape(shape), *epochs], path)
