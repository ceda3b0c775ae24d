"""The outputs of a frozen part, computed once."""

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
"""Examples at a time."""


class StaleCacheError(RuntimeError):
    """What a cache was computed from is no longer what it was; the message says what changed."""


class CachedDataset(ArrayDataset):
    """The outputs of a model's frozen lower layers for every example of a data set; made by `cache_frozen`.

    Attributes:
        x: float32 (n, width) or (n, ...), the outputs; (each look at it proves that they still hold).
        y: the labels, those of the data set itself.
        lower: the frozen layers.
        top: the layers above, the same objects as the model's: what is left to train.
    """

    def __init__(self, model: Sequential, dataset: ArrayDataset) -> None:
        frozen = _frozen_layers(model)
        self.lower, self.top = model[:frozen], model[frozen:]
        self._model, self._dataset = model, dataset
        self.refresh()

    def refresh(self) -> None:
        """Computes the outputs anew, from the weights and the data as they now are."""
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
        """Raises StaleCacheError where weights, data or layers are no longer what they were."""
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
        """The examples of a slice, as `ArrayDataset`; in-place changes that raise no version are not looked for."""
        self._check_layers()
        if not isinstance(part, slice):
            raise TypeError(f"CachedDataset: takes slices, got {type(part).__name__}")
        return ArrayDataset(self._outputs[part], self.y[part], keep_axes=True)

    def __repr__(self) -> str:
        return f"CachedDataset({len(self)} examples, x {self._outputs.shape} float32)"

    def _check_layers(self) -> None:
        below = self._model.layers[: len(self.lower)]
        if len(below) < len(self.lower) or any(a is not b for a, b in zip(below, self.lower, strict=True)):
            raise StaleCacheError(f"cache_frozen: the model's lower layers are others{_REMEDY}")
        for name, layer in self.lower.children():
            if not _is_frozen(layer):
                raise StaleCacheError(f"cache_frozen: layer {name!r} is no longer frozen; cache the frozen part anew")
        if _versions(self.lower) != self._versions or _attributes(self.lower) != self._attributes:
            raise StaleCacheError(f"cache_frozen: the frozen layers were changed{_REMEDY}")


_REMEDY = " since its outputs were computed; refresh() computes them anew"


def cache_frozen(model: Sequential, dataset: ArrayDataset) -> CachedDataset:
    """Runs the frozen lower layers over a data set once, so that training the layers above need not do it again.

    ::

        reuse.freeze(model.layers[:3])
        train, valid = reuse.cache_frozen(model, mnist.train), reuse.cache_frozen(model, mnist.valid)
        optimizer = optim.SGD(train.top.parameters(), lr=0.01, momentum=0.9)
        training.fit(train.top, train, valid=valid, optimizer=optimizer, ...)    # trains the upper layers of model

    The result is that of training the whole model, bit for bit (on the compiled kernels, and where each output row of a
    frozen layer depends on its input row alone, as it does in all of minidnn's layers): a product's element is the same
    chain of operations in every batch. It takes ``4 * n * width`` bytes.

    Each epoch begins with a proof (a CRC-32 of weights and data) that nothing changed: a `StaleCacheError` says what
    did, a weight, the data, or a layer that was thawed.

    Args:
        model: its frozen layers, from the bottom up to the first that is not, are what runs once. See `freeze`.
        dataset: kept, not copied. Augmented images cannot be cached: they are others in every epoch.

    Raises:
        TypeError: model is not a Sequential, dataset not an ArrayDataset.
        ValueError: the lowest layer is not frozen, or all are; no examples.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"cache_frozen: model must be a Sequential, got {type(model).__name__}")
    if not isinstance(dataset, ArrayDataset):
        raise TypeError(f"cache_frozen: dataset must be an ArrayDataset, got {type(dataset).__name__}")
    if not len(dataset):
        raise ValueError("cache_frozen: the data set is empty")
    return CachedDataset(model, dataset)


def _frozen_layers(model: Sequential) -> int:
    """How many layers are frozen, from the bottom."""
    thawed = [place for place, layer in enumerate(model) if not _is_frozen(layer)]
    if not thawed:
        raise ValueError("cache_frozen: every layer is frozen, so there is nothing above to train")
    if not thawed[0]:
        raise ValueError(f"cache_frozen: the lowest layer, {model[0]!r}, is not frozen")
    return thawed[0]


def _is_frozen(layer: Module) -> bool:
    trained = any(param.requires_grad for param in layer.parameters())
    return not trained and all(module.frozen for _, module in layer.named_modules())


def _checksums(lower: Module) -> dict[str, int]:
    return {path: zlib.crc32(np.ascontiguousarray(tensor.data).data) for path, tensor in lower.tensors().items()}


def _versions(lower: Module) -> list[tuple[int, int]]:
    return [(id(tensor.data), tensor.version) for tensor in lower.tensors().values()]


def _attributes(lower: Module) -> list[tuple[str, str, Any]]:
    """What its outputs depend on besides the weights; a frozen layer does the same in both modes."""
    plain = (bool, int, float, str, type(None))
    return [
        (path, name, value if isinstance(value, plain) else id(value.data if isinstance(value, Tensor) else value))
        for path, module in lower.named_modules()
        for name, value in vars(module).items()
        if name not in ("training", "activity_penalties")
    ]
