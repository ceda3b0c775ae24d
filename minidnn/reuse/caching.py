"""Cached outputs of frozen layers."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from minidnn.data import ArrayDataset
from minidnn.data.datasets import Change
from minidnn.data.types import Floats32, Indices
from minidnn.nn import Module, Sequential
from minidnn.pipeline import gather
from minidnn.tensor import Tensor
from minidnn.training.predict import predict

CHUNK = 1000
"""Examples per batch of `CachedDataset.refresh`."""


class StaleCacheError(RuntimeError):
    """Weights, layers or data have changed since a cache was computed; the message says which."""


class CachedDataset(ArrayDataset):
    """The outputs of a model's frozen lower layers for every example of a data set; returned by `cache_frozen`.

    Attributes:
        x: float32 (n, width) or (n, ...), the outputs; each access checks that they are up to date.
        y: the labels of the data set.
        lower: the frozen layers.
        top: the layers above, which are to be trained; the same objects as the model's.
    """

    def __init__(self, model: Sequential, dataset: ArrayDataset) -> None:
        frozen = _frozen_layers(model)
        self.lower, self.top = model[:frozen], model[frozen:]
        self._model, self._dataset = model, dataset
        self.refresh()

    def refresh(self) -> None:
        """Computes the outputs again from the present weights and data."""
        source, outputs = self._dataset, None
        for start in range(0, len(source), CHUNK):
            part = np.asarray(predict(self.lower, source[start : start + CHUNK].inputs, batch_size=CHUNK))
            if outputs is None:
                outputs = np.empty((len(source), *part.shape[1:]), np.float32)
            outputs[start : start + CHUNK] = part
        assert outputs is not None  # cache_frozen refuses an empty data set
        outputs.flags.writeable = False
        self._outputs: Floats32 = outputs
        self.y, self.image_shape, self.keep_axes = source.y, outputs.shape[1:], True
        self._weights, self._data = _checksums(self.lower), zlib.crc32(source.x.data)
        self._versions, self._attributes = _versions(self.lower), _attributes(self.lower)

    @property
    def x(self) -> Floats32:  # type: ignore[override]
        self.check()
        return self._outputs

    def gather(self, order: Indices, change: Change | None = None) -> Floats32:
        x = gather(self._outputs, order)
        return change(x) if change else x

    def check(self) -> None:
        """Raises StaleCacheError if weights, data or layers have changed."""
        self._check_layers()
        if changed := [path for path, sum in _checksums(self.lower).items() if sum != self._weights[path]]:
            raise StaleCacheError(f"cache_frozen: {changed[0]} was changed{_REMEDY}")
        if zlib.crc32(self._dataset.x.data) != self._data:
            raise StaleCacheError(f"cache_frozen: the data set was changed{_REMEDY}")

    @property
    def images(self) -> Floats32:
        return self.x

    def __len__(self) -> int:
        return len(self._outputs)

    def __getitem__(self, part: slice) -> ArrayDataset:
        """The examples of a slice, as `ArrayDataset`. Does not detect in-place changes of arrays, unlike `check`."""
        self._check_layers()
        if not isinstance(part, slice):
            raise TypeError(f"CachedDataset: takes slices, got {type(part).__name__}")
        return ArrayDataset(self._outputs[part], self.y[part], keep_axes=True)

    def __repr__(self) -> str:
        return f"CachedDataset({len(self)} examples, x {self._outputs.shape} float32)"

    def _check_layers(self) -> None:
        below = self._model.layers[: len(self.lower)]
        if len(below) < len(self.lower) or any(a is not b for a, b in zip(below, self.lower, strict=True)):
            raise StaleCacheError(f"cache_frozen: the model's lower layers were replaced{_REMEDY}")
        for name, layer in self.lower.children():
            if not _is_frozen(layer):
                raise StaleCacheError(f"cache_frozen: layer {name!r} is no longer frozen; call cache_frozen again")
        if _versions(self.lower) != self._versions or _attributes(self.lower) != self._attributes:
            raise StaleCacheError(f"cache_frozen: the frozen layers were changed{_REMEDY}")


_REMEDY = " since its outputs were computed; call refresh() to compute them again"


def cache_frozen(model: Sequential, dataset: ArrayDataset) -> CachedDataset:
    """Runs the frozen lower layers over a data set once, so that training the layers above does not run them again.

    ::

        reuse.freeze(model.layers[:3])
        train, valid = reuse.cache_frozen(model, mnist.train), reuse.cache_frozen(model, mnist.valid)
        optimizer = optim.SGD(train.top.parameters(), lr=0.01, momentum=0.9)
        training.fit(train.top, train, valid=valid, optimizer=optimizer, ...)    # trains the upper layers of model

    The result equals training the whole model, bit for bit, on the compiled kernels: an element of a matrix product is
    computed by the same operations in every batch. Each output row of a frozen layer must depend only on its input row,
    as in all of minidnn's layers. The cache takes ``4 * n * width`` bytes.

    Each epoch starts with a check (CRC-32 of weights and data). A changed weight, changed data or an unfrozen layer
    raises a `StaleCacheError`.

    Args:
        model: its frozen layers, from the lowest to the one below the first that is not frozen, run once. See `freeze`.
        dataset: kept, not copied. Augmented images cannot be cached, because they differ in every epoch.

    Raises:
        TypeError: model is not a Sequential, or dataset is not an ArrayDataset.
        ValueError: the lowest layer is not frozen; all layers are frozen; the data set is empty.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"cache_frozen: model must be a Sequential, got {type(model).__name__}")
    if not isinstance(dataset, ArrayDataset):
        raise TypeError(f"cache_frozen: dataset must be an ArrayDataset, got {type(dataset).__name__}")
    if not len(dataset):
        raise ValueError("cache_frozen: the data set is empty")
    return CachedDataset(model, dataset)


def _frozen_layers(model: Sequential) -> int:
    """The number of frozen layers below the first that is not frozen."""
    thawed = [place for place, layer in enumerate(model) if not _is_frozen(layer)]
    if not thawed:
        raise ValueError("cache_frozen: every layer is frozen, so there is nothing above to train")
    if not thawed[0]:
        raise ValueError(f"cache_frozen: the lowest layer, {model[0]!r}, is not frozen; call reuse.freeze first")
    return thawed[0]


def _is_frozen(layer: Module) -> bool:
    trained = any(param.requires_grad for param in layer.parameters())
    return not trained and all(module.frozen for _, module in layer.named_modules())


def _checksums(lower: Module) -> dict[str, int]:
    return {path: zlib.crc32(np.ascontiguousarray(tensor.data).data) for path, tensor in lower.tensors().items()}


def _versions(lower: Module) -> list[tuple[int, int]]:
    return [(id(tensor.data), tensor.version) for tensor in lower.tensors().values()]


def _attributes(lower: Module) -> list[tuple[str, str, Any]]:
    """What the outputs depend on besides the tensors. The mode is left out: frozen layers do not depend on it."""
    plain = (bool, int, float, str, type(None))
    return [
        (path, name, value if isinstance(value, plain) else id(value.data if isinstance(value, Tensor) else value))
        for path, module in lower.named_modules()
        for name, value in vars(module).items()
        if name not in ("training", "activity_penalties")
    ]
