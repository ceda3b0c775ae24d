"""The table of public functions that take arrays, beside kernels, ops and layers, which have tables of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import minidnn
from kit.hostile import plain
from minidnn import Tensor, data, deploy, kernels, nn, optim, pretraining, training
from minidnn.data import augment
from minidnn.gradients import GradientError
from minidnn.pretraining import auxiliary

KEY = (1, 2, 3)
rng = np.random.default_rng(8)
FLOATS = (rng.random((3, 4), np.float32) + np.float32(0.1)) / 2
BYTES = rng.integers(0, 256, (3, 4), np.uint8)
WORDS = np.array([[2, 3, 4, 0], [3, 3, 2, 5], [4, 2, 0, 0]])
LABELS = np.array([1, 0, 3])
NUMBERS = np.array([2, 0, 1])
"""Of examples."""


@dataclass(frozen=True, eq=False)
class Public:
    """A row.

    Attributes:
        name: as a user finds it, ``nn.hinge``.
        call: takes the arrays; what it returns is compared bit by bit.
        arrays: good ones.
        variant: distinguishes rows of one name.
        written: places of those that are changed.
    """

    name: str
    call: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    variant: str = ""
    written: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}[{self.variant}]" if self.variant else self.name


def on_tensors(function: Callable[..., Any], count: int = 1) -> Callable[..., Any]:
    """The function, its first arrays made Tensors, as its callers do."""
    return lambda *arrays: function(*map(Tensor, arrays[:count]), *arrays[count:])


def on_parameter(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A change of a parameter in place, and what that leaves."""

    def call(array: Any) -> Any:
        param = nn.Parameter(array)
        change(param)
        return param.data

    return call


def on_gradient(clip: Callable[..., Any]) -> Callable[..., Any]:
    def call(grad: Any) -> Any:
        param = nn.Parameter(np.zeros(np.shape(grad), np.float32))
        param.grad = grad
        clip([param], 0.5)
        return param.grad

    return call


def gradients_agree(*inputs: Any) -> bool:
    try:
        return minidnn.gradcheck(lambda a, b: a * b, inputs)
    except GradientError:
        return False  # as it must for what is not finite


def slots_loaded(slot: Any) -> Any:
    optimizer = optim.Adam([nn.Parameter(FLOATS.copy())])
    optimizer.load_state_dict(optimizer.state_dict() | {"0.m": slot})
    return optimizer.state_dict()["0.m"]


def weights_loaded(kernel: Any) -> Any:
    layer = nn.Dense(3, 4)
    layer.load_state_dict({"kernel": kernel, "bias": np.zeros(4)})
    return layer.kernel.data


def after_saving(array: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.idx"
        data.save_idx(path, array)
        return path.read_bytes()


def captured(x: Any, y: Any) -> Any:
    layer = nn.Dense(4, 4, rng=minidnn.Generator(1))
    step = training.capture(lambda x, y: nn.softmax_cross_entropy(layer(x), y), x, y)
    return step(x, y).item()


def trained(x: Any) -> Any:
    rbm = pretraining.RBM(4, 2, rng=minidnn.Generator(1))
    objective = pretraining.ContrastiveDivergence(rbm, rng=minidnn.Generator(2))
    options = {"epochs": 1, "batch_size": 2, "rng": minidnn.Generator(3), "progress": False, "capture": False}
    pretraining.train(objective, x, optimizer=optim.SGD(rbm.parameters(), 0.1), **options)
    return rbm.kernel.data


def dataset_of(made: data.ArrayDataset) -> Any:
    return made.inputs, made.y


def metric_of(kind: type[training.Metric]) -> Callable[[Any, Any], Any]:
    def measure(outputs: Any, targets: Any) -> float:
        metric = kind()
        metric.update(outputs, targets)
        return metric.compute()

    return measure


def mixed(x: Any, y: Any, examples: Any) -> Any:
    return augment.Mixup(classes=4)(x, y, examples, KEY)


def augmented(x: Any, examples: Any) -> Any:
    every = [
        augment.shift(1), augment.rotate(9), augment.zoom(0.9, 1.1), augment.shear(9), augment.flip(),
        augment.crop(0.8), augment.elastic(2, 2), augment.brightness(0.1), augment.contrast(0.9, 1.1),
        augment.saturation(0.5, 1), augment.hue(9), augment.noise(0.1),
    ]  # fmt: skip
    return augment.Augment(every, (2, 2))(x, examples, KEY)


def model() -> nn.Sequential:
    generator = minidnn.Generator(1)
    return nn.Sequential(nn.Dense(4, 5, "relu", rng=generator), nn.Dropout(0.5), nn.Dense(5, 3, rng=generator))


def tower(head: nn.Module) -> Callable[[Any], Any]:
    return auxiliary.TwoTower(nn.Dense(4, 3, rng=minidnn.Generator(1)), head).eval()


def in_engine(method: str, *others: Any) -> Callable[..., Any]:
    """A model of one step, made of these arrays and what else the method takes, run."""

    def call(*arrays: Any) -> Any:
        engine, rest = kernels._core.Engine([4, WIDTHS.get(method, 4)]), iter(arrays)
        getattr(engine, method)(0, 1, *(next(rest) if other is ... else other for other in others))
        return engine.run(FLOATS, None)

    return call


ONES, SINGLE = np.ones(4, np.float32), np.ones((4, 3), np.float32)
PLACES = np.array([0, 2, 2, 3], np.uint32), np.array([0, 3, 1], np.uint16)
SUMS, THREE, SMALL = np.arange(3, dtype=np.int32), np.ones(3, np.float32), np.arange(3, dtype=np.int8)
ENGINE: list[tuple[tuple[Any, ...], tuple[np.ndarray, ...]]] = [
    (("dense", ..., ..., "elu", 1.0), (SINGLE, THREE)),
    (("sparse", ..., ..., ..., ..., "elu", 1.0), (*PLACES, THREE, THREE)),
    (("byte_dense", ..., 20.0, 9, ..., ..., ..., "elu", 1.0), (SINGLE.astype(np.int8), SUMS, THREE, THREE)),
    (
        ("byte_sparse", ..., ..., ..., 20.0, 9, ..., ..., ..., "elu", 1.0),
        (*PLACES, SMALL, SUMS, THREE, THREE),
    ),
    (("prelu", ...), (ONES,)),
    (("affine", ..., ...), (ONES, ONES)),
    (("layer_norm", ..., ..., 0.1), (ONES, ONES)),
]
WIDTHS = {"dense": 3, "sparse": 3, "byte_dense": 3, "byte_sparse": 3}

COMPILED = deploy.compile(model(), sparse=False)
PAIRS = rng.random((3, 2, 4), np.float32)
SWAP = data.swap_patches((2, 2), 1)
BAG = nn.EmbeddingBag(9, 4, rng=minidnn.Generator(1))
EMBEDDING = nn.Embedding(9, 4, rng=minidnn.Generator(1))
ENCODER = pretraining.Autoencoder(nn.Dense(4, 2, rng=minidnn.Generator(1)), loss="cross_entropy")
RBM = pretraining.RBM(4, 2, rng=minidnn.Generator(1))

ROWS = [
    Public("Tensor", lambda x: plain(Tensor(x).data), (FLOATS,)),
    Public("gradcheck", gradients_agree, (FLOATS.astype(np.float64), FLOATS.astype(np.float64))),
    # Losses and metrics
    Public("nn.contrastive", on_tensors(nn.contrastive, 2), (FLOATS, FLOATS[::-1].copy(), np.array([1, 0, 1]))),
    Public("nn.hinge", on_tensors(nn.hinge), (FLOATS, (BYTES % 2).astype(np.int64))),
    Public("nn.huber", on_tensors(nn.huber), (FLOATS, FLOATS[::-1].copy())),
    Public("nn.kl_divergence", on_tensors(nn.kl_divergence), (-FLOATS, FLOATS)),
    Public("nn.margin_ranking", on_tensors(nn.margin_ranking, 2), (FLOATS, FLOATS[::-1].copy())),
    Public("nn.margin_ranking_loss", on_tensors(nn.margin_ranking_loss, 2), (FLOATS, FLOATS[::-1].copy())),
    Public("nn.mean_absolute_error", on_tensors(nn.mean_absolute_error), (FLOATS, FLOATS[::-1].copy())),
    Public("nn.mean_squared_error", on_tensors(nn.mean_squared_error), (FLOATS, FLOATS[::-1].copy())),
    Public("nn.multiclass_hinge", on_tensors(nn.multiclass_hinge), (FLOATS, LABELS)),
    Public("nn.sigmoid_cross_entropy", on_tensors(nn.sigmoid_cross_entropy), (FLOATS, FLOATS[::-1].copy())),
    Public("nn.softmax_cross_entropy", on_tensors(nn.softmax_cross_entropy), (FLOATS, LABELS), "numbers"),
    Public("nn.softmax_cross_entropy", on_tensors(nn.softmax_cross_entropy), (FLOATS, FLOATS), "shares"),
    Public("nn.accuracy", nn.accuracy, (FLOATS, LABELS)),
    Public("nn.in_top_k", lambda x, y: nn.in_top_k(x, y, 2), (FLOATS, LABELS)),
    # Parameters, and what holds them in check
    Public("nn.Parameter", lambda w: plain(nn.Parameter(w).data), (FLOATS,)),
    Public("nn.max_norm", on_parameter(nn.max_norm(0.5)), (FLOATS,), written=(0,)),
    Public("nn.unit_norm", on_parameter(nn.unit_norm()), (FLOATS,), written=(0,)),
    Public("nn.non_neg", on_parameter(nn.non_neg()), (FLOATS,), written=(0,)),
    Public("nn.masked", lambda mask: on_parameter(nn.masked(mask))(FLOATS.copy()), (BYTES % 2,)),
    Public("nn.l1", on_tensors(nn.l1(0.1)), (FLOATS,)),
    Public("nn.l2", on_tensors(nn.l2(0.1)), (FLOATS,)),
    Public("nn.l1_l2", on_tensors(nn.l1_l2(0.1, 0.2)), (FLOATS,)),
    Public("nn.Module", weights_loaded, (FLOATS,)),
    Public("nn.Embedding", EMBEDDING, (WORDS,)),
    Public("nn.EmbeddingBag", BAG, (WORDS,)),
    Public("optim.Optimizer", slots_loaded, (FLOATS,)),
    Public("optim.clip_by_global_norm", on_gradient(optim.clip_by_global_norm), (FLOATS,), written=(0,)),
    Public("optim.clip_by_norm", on_gradient(optim.clip_by_norm), (FLOATS,), written=(0,)),
    Public("optim.clip_by_value", on_gradient(optim.clip_by_value), (FLOATS,), written=(0,)),
    # Data
    Public("data.ArrayDataset", lambda x, y: dataset_of(data.ArrayDataset(x, y)), (BYTES, LABELS), "bytes"),
    Public("data.ArrayDataset", lambda x, y: dataset_of(data.ArrayDataset(x, y)), (FLOATS, LABELS), "floats"),
    Public("data.ArrayDataset", lambda x, y: dataset_of(data.ArrayDataset(x, y)), (WORDS, LABELS), "words"),
    Public("data.StackDataset", lambda x, y: dataset_of(data.StackDataset([x], y)), (FLOATS, LABELS)),
    Public("data.Dataset", data.ArrayDataset(BYTES, LABELS).gather, (NUMBERS,)),
    Public("data.Subset", lambda i: dataset_of(data.Subset(data.ArrayDataset(BYTES, LABELS), i)), (NUMBERS,)),
    Public("data.Standardize", data.Standardize(data.ArrayDataset(FLOATS, LABELS)), (FLOATS,)),
    Public("data.Unlabelled", lambda x: data.Unlabelled(x).inputs, (FLOATS,)),
    Public("data.Vocabulary", data.Vocabulary([["a", "b", "c", "d"]]).decode, (WORDS[0],)),
    Public("data.corrupt", lambda x: data.corrupt(x, SWAP, minidnn.Generator(1)), (BYTES,)),
    Public("data.replace_words", lambda text: data.replace_words(text)(WORDS, NUMBERS, KEY), (WORDS,), "text"),
    Public("data.replace_words", lambda x, n: data.replace_words(WORDS)(x, n, KEY), (WORDS, NUMBERS)),
    Public("data.swap_patches", lambda x, n: SWAP(x, n, KEY), (BYTES, NUMBERS)),
    Public("data.save_idx", after_saving, (BYTES,)),
    Public("data.augment.Augment", augmented, (BYTES, NUMBERS), "bytes"),
    Public("data.augment.Augment", augmented, (FLOATS, NUMBERS), "floats"),
    # Training and reuse
    Public("data.augment.Mixup", mixed, (FLOATS, LABELS, NUMBERS)),
    Public("training.predict", lambda x: training.predict(model(), x), (FLOATS,)),
    *(
        Public(f"training.{kind.__name__}", metric_of(kind), (FLOATS, targets))
        for kind, targets in (
            (training.Accuracy, LABELS),
            (training.BinaryAccuracy, FLOATS),
            (training.MeanAbsoluteError, FLOATS),
            (training.R2, FLOATS),
        )
    ),
    Public("training.capture", captured, (FLOATS, LABELS)),
    Public(
        "pretraining.auxiliary.GoodOrBad",
        lambda x: dataset_of(auxiliary.GoodOrBad(x, SWAP, minidnn.Generator(1))),
        (BYTES,),
    ),
    Public(
        "pretraining.auxiliary.GoodBesideBad",
        lambda x: dataset_of(auxiliary.GoodBesideBad(x, SWAP, minidnn.Generator(1))),
        (BYTES,),
    ),
    Public("pretraining.auxiliary.Difference", auxiliary.Difference(4), (PAIRS,)),
    Public("pretraining.auxiliary.Distance", auxiliary.Distance(), (PAIRS,)),
    Public("pretraining.auxiliary.TwoTower", tower(auxiliary.Distance()), (PAIRS,)),
    Public(
        "pretraining.auxiliary.contrastive",
        lambda d, y: auxiliary.contrastive(Tensor(d), y),
        (FLOATS[:, :2], NUMBERS % 2),
    ),
    Public(
        "pretraining.auxiliary.margin_ranking",
        lambda s, y: auxiliary.margin_ranking(Tensor(s), y),
        (FLOATS[:, :2], NUMBERS * 0),
    ),
    Public("pretraining.ContrastiveDivergence", pretraining.ContrastiveDivergence(RBM).eval(), (FLOATS,)),
    Public("pretraining.Reconstruction", pretraining.Reconstruction(ENCODER).eval(), (FLOATS,)),
    Public("pretraining.Transposed", pretraining.Transposed(nn.Dense(3, 4, rng=minidnn.Generator(1))), (FLOATS,)),
    Public(
        "pretraining.gaussian_noise",
        lambda x: pretraining.gaussian_noise(0.1)(x, minidnn.Generator(1)),
        (FLOATS,),
    ),
    Public("pretraining.masking", lambda x: pretraining.masking(0.5)(x, minidnn.Generator(1)), (FLOATS,)),
    Public("pretraining.kl_sparsity", on_tensors(pretraining.kl_sparsity()), (FLOATS,)),
    Public("pretraining.train", trained, (BYTES,)),
    # Models that no longer learn
    Public(
        "deploy.compile", lambda x: deploy.compile(model(), dtype="int8", sparse=False, calibration=x).loss, (FLOATS,)
    ),
    Public(
        "deploy.InferenceModel",
        lambda x, out: COMPILED.predict(x, out),
        (FLOATS, np.zeros((3, 3), np.float32)),
        written=(1,),
    ),
    # Compiled functions that are no kernels
    Public("kernels.aligned_copy", lambda x: kernels._core.aligned_copy(x, 1), (FLOATS,)),
    *(Public("kernels.Engine", in_engine(*call), arrays, call[0]) for call, arrays in ENGINE),
    Public("kernels.fingerprint", lambda x: isinstance(kernels._core.fingerprint(x), int), (FLOATS,)),
]
