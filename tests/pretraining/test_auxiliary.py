"""Auxiliary tasks: their data sets, the two-tower network, and losses of pairs."""

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, data, nn, ops, optim, training
from minidnn.data import ArrayDataset
from minidnn.pretraining import auxiliary
from minidnn.pretraining.auxiliary import Difference, Distance, GoodBesideBad, GoodOrBad, SameOrDifferent, TwoTower
from minidnn.random import Generator

RNG = np.random.default_rng(6)
CLASSES = np.repeat([0, 2, 3], [7, 2, 11])
LABELLED = ArrayDataset(np.arange(20, dtype=np.float32)[:, np.newaxis], RNG.permutation(CLASSES))
WORDS = RNG.integers(2, 40, (50, 8))
REPLACE = data.replace_words(WORDS)


# Data sets


def members(x):
    """The numbers of both members of each pair, of LABELLED."""
    return x[:, 0, 0].astype(int), x[:, 1, 0].astype(int)


def test_pairs_agree_with_their_labels():
    pairs = SameOrDifferent(LABELLED, 5001, Generator(1))
    a, b = members(pairs.x)
    assert pairs.x.shape == (5001, 2, 1) and pairs.y.sum() == 2501
    assert np.array_equal(LABELLED.y[a] == LABELLED.y[b], pairs.y == 1)
    assert (a != b).all()


def test_pairs_are_drawn_uniformly():
    a, b = members(SameOrDifferent(LABELLED, 60_000, Generator(2)).x)
    np.testing.assert_allclose(np.bincount(a) / 60_000, np.full(20, 0.05), atol=5 * np.sqrt(0.05 / 60_000))
    chosen = int(np.flatnonzero(LABELLED.y == 0)[0])
    same = b[(a == chosen) & (LABELLED.y[b] == 0)]
    other = b[(a == chosen) & (LABELLED.y[b] != 0)]
    assert len(set(same)) == 6 and len(set(other)) == 13
    for partners, n in ((same, 6), (other, 13)):
        counts = np.bincount(partners)[np.unique(partners)]
        assert ((counts - len(partners) / n) ** 2 / (len(partners) / n)).sum() < n + 6 * np.sqrt(2 * n)


@pytest.mark.parametrize(
    "dataset",
    [SameOrDifferent(LABELLED, 40), GoodOrBad(WORDS, REPLACE), GoodBesideBad(WORDS, REPLACE)],
    ids=lambda dataset: type(dataset).__name__,
)
def test_each_epoch_draws_anew_by_seed_epoch_and_example_alone(dataset):
    def epoch(draw, batch_size):
        rng = Generator(3)
        rng.draw = draw
        order = Generator(3)
        order.draw = draw
        order = order.permutation(len(dataset))
        x = np.concatenate([x for x, _ in data.batches(dataset, batch_size, rng, augment=dataset.fresh)])
        return x[np.argsort(order)]

    first = epoch(0, 7)
    assert first.dtype == dataset.inputs.dtype and np.array_equal(first, epoch(0, 16))
    assert not np.array_equal(first, epoch(1, 7)) and not np.array_equal(first, dataset.inputs)


def test_fresh_pairs_keep_their_labels():
    pairs = SameOrDifferent(LABELLED, 100, Generator(1))
    numbers = np.array([5, 98, 0, 99])
    a, b = members(pairs.fresh(pairs.x[numbers], numbers, (1, 2, 3)))
    assert np.array_equal(LABELLED.y[a] == LABELLED.y[b], pairs.y[numbers] == 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_good_stay_and_the_bad_change(seed):
    numbers, beside, mixed = np.arange(100), GoodBesideBad(WORDS, REPLACE), GoodOrBad(WORDS, REPLACE)
    for x in (mixed.x, mixed.fresh(mixed.x, numbers, (seed, 0, 1))):
        assert np.array_equal(x[::2], WORDS) and ((x[1::2] != WORDS).sum(axis=1) == 1).all()
    assert np.array_equal(mixed.y, [1, 0] * 50)
    for x in (beside.x, beside.fresh(beside.x, numbers[:50], (seed, 0, 1))):
        assert np.array_equal(x[:, 0], WORDS) and ((x[:, 1] != WORDS).sum(axis=1) == 1).all()
    assert not beside.y.any()


def test_bytes_are_corrupted_as_floats_in_fresh_batches():
    images = RNG.integers(0, 256, (30, 64), np.uint8)
    mixed = GoodOrBad(images, data.swap_patches((8, 8), 4))
    (x, y), *rest = data.batches(mixed, 60, Generator(1), augment=mixed.fresh)
    assert x.dtype == np.float32 and x.max() <= 1.0 and not rest
    assert np.array_equal(np.sort(x[y == 0], axis=1).sum(axis=0) > 0, np.sort(x[y == 1], axis=1).sum(axis=0) > 0)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 0, 1], []])
def test_pairs_need_two_classes_of_two(labels):
    with pytest.raises(ValueError, match="SameOrDifferent: dataset must have at least two classes"):
        SameOrDifferent(ArrayDataset(np.zeros((len(labels), 2), np.float32), np.array(labels, int)), 4)


# Networks


def test_both_towers_add_to_one_gradient():
    minidnn.manual_seed(1)
    tower = nn.Sequential(nn.Dense(5, 4, "tanh"), nn.Dense(4, 3))
    head = Difference(3)
    x, y = RNG.standard_normal((6, 2, 5)).astype(np.float32), [0, 1, 1, 0, 1, 0]
    model = TwoTower(tower, head)
    nn.softmax_cross_entropy(model(x), y).backward()
    got = [param.grad.copy() for param in model.parameters()]
    for param in model.parameters():
        param.zero_grad()
    a, b = tower(x[:, 0]), tower(x[:, 1])  # as two networks
    nn.softmax_cross_entropy(head.outputs(ops.abs(a - b)), y).backward()
    for grad, param in zip(got, model.parameters(), strict=True):
        np.testing.assert_allclose(grad, param.grad, rtol=1e-5, atol=1e-7)


def test_the_distance_and_its_loss_are_those_of_the_paper():
    pairs = RNG.standard_normal((8, 2, 3)).astype(np.float32)
    same = np.array([1, 0, 1, 0, 0, 1, 0, 1])
    outputs = Distance(margin=2.5)(pairs)
    d = np.linalg.norm(pairs[:, 0] - pairs[:, 1], axis=1)
    np.testing.assert_allclose(outputs.data, np.stack([d, 2.5 - d], axis=1), rtol=1e-5)
    wanted = np.where(same == 1, d**2, np.maximum(0, 2.5 - d) ** 2).mean()
    assert auxiliary.contrastive(outputs, same).item() == pytest.approx(wanted, rel=1e-5)
    a, b = Tensor(pairs[:, 0]), Tensor(pairs[:, 1])
    assert auxiliary.contrastive(outputs, same).item() == pytest.approx(
        nn.contrastive(a, b, same, 2.5).item(), rel=1e-5
    )


@pytest.mark.parametrize("margin", [0.5, 2.0])
def test_ranking_is_that_of_the_scores(margin):
    scores = RNG.standard_normal((9, 2)).astype(np.float32)
    wanted = np.maximum(0, margin - scores[:, 0] + scores[:, 1]).mean()
    assert auxiliary.margin_ranking(Tensor(scores), None, margin).item() == pytest.approx(wanted, rel=1e-6)
    assert nn.margin_ranking_loss is nn.margin_ranking


def test_gradients():
    pairs = Tensor(RNG.standard_normal((4, 2, 3)), requires_grad=True)
    labels = np.array([0, 1, 1, 0])
    minidnn.gradcheck(lambda x: auxiliary.contrastive(Distance(4.0)(x), labels), [pairs])
    minidnn.gradcheck(lambda x: auxiliary.margin_ranking(ops.sum(x, axis=2), labels, 3.0), [pairs])


def embeddings():
    return nn.Sequential(nn.EmbeddingBag(40, 5, padding=0), nn.Dense(5, 3, "relu"))


TASKS = {
    "contrastive": lambda: (
        TwoTower(nn.Dense(1, 3), Distance()),
        SameOrDifferent(LABELLED, 40),
        auxiliary.contrastive,
    ),
    "cross-entropy": lambda: (
        TwoTower(nn.Dense(1, 3), Difference(3)),
        SameOrDifferent(LABELLED, 40),
        nn.softmax_cross_entropy,
    ),
    "good or bad": lambda: (
        nn.Sequential(embeddings(), nn.Dense(3, 2)),
        GoodOrBad(WORDS, REPLACE),
        nn.softmax_cross_entropy,
    ),
    "good beside bad": lambda: (
        TwoTower(nn.Sequential(embeddings(), nn.Dense(3, 1)), nn.Flatten()),
        GoodBesideBad(WORDS, REPLACE),
        auxiliary.margin_ranking,
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_fit_captures_each_task_with_the_same_bytes(task, caplog):
    def run(capture):
        minidnn.manual_seed(4)
        model, made, loss = TASKS[task]()
        optimizer = optim.Adam(model.parameters(), 0.01)
        options = {"epochs": 2, "batch_size": 20, "augment": made.fresh, "progress": False, "valid": made}
        history = training.fit(model, made, loss=loss, optimizer=optimizer, capture=capture, **options)
        return history["loss"], [array.tobytes() for array in model.state_dict().values()]

    with caplog.at_level("INFO", "minidnn"):
        assert run(True) == run(False)
    assert not caplog.records  # no message that a step was not captured


def test_a_network_learns_which_pairs_are_the_same():
    minidnn.manual_seed(0)
    classes = RNG.integers(0, 4, 400)
    centres = RNG.standard_normal((4, 6)) * 3
    points = ArrayDataset((centres[classes] + RNG.standard_normal((400, 6))).astype(np.float32), classes)
    pairs = SameOrDifferent(points, 1000)
    model = TwoTower(nn.Sequential(nn.Dense(6, 8, "relu"), nn.Dense(8, 2)), Distance())
    history = training.fit(
        model,
        pairs,
        loss=auxiliary.contrastive,
        optimizer=optim.Adam(model.parameters(), 0.01),
        epochs=8,
        batch_size=50,
        augment=pairs.fresh,
        progress=False,
    )
    assert history["accuracy"][-1] > 0.95


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TwoTower(nn.Dense(3, 2), nn.Flatten())(np.zeros((4, 3), np.float32)), r"must be \(batch, 2, ...\)"),
        (lambda: Difference(3)(np.zeros((4, 3, 3), np.float32)), r"must be \(batch, 2, n\)"),
        (lambda: Distance(0.0), "margin must be positive"),
        (lambda: auxiliary.contrastive(Tensor(np.zeros((4, 3), np.float32)), [0, 1, 0, 1]), r"must be \(4, 2\)"),
        (lambda: auxiliary.contrastive(Tensor(np.zeros((2, 2), np.float32)), [0, 2]), "must be 0 or 1, got 0 to 2"),
        (lambda: auxiliary.margin_ranking(Tensor(np.zeros((0, 2), np.float32))), "not empty"),
    ],
)
def test_invalid_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
