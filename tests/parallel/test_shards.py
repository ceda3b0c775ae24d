"""`training.fit` with shards, in one process."""

from __future__ import annotations

import numpy as np
import parallel_runs
import pytest

import minidnn
from minidnn import data, nn, optim, training
from minidnn.parallel import Tree, World, world


def test_tree_adds_in_the_order_of_a_binary_tree():
    arrays = np.random.default_rng(0).standard_normal((8, 5)).astype(np.float32)
    tree = Tree(5)
    for array in arrays:
        tree.add(array)
    level = list(arrays)
    while len(level) > 1:
        level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
    np.testing.assert_array_equal(tree.total(), level[0])


def test_tree_needs_a_power_of_two():
    tree = Tree(1)
    for _ in range(3):
        tree.add(np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="3 arrays were added, must be a power of two"):
        tree.total()


def test_without_mpiexec_the_world_has_one_rank():
    here = world()
    array = np.arange(4.0)
    here.fold(array)
    assert (type(here), here.rank, here.size, here.gather("a"), here.first(lambda: 3)) == (World, 0, 1, ["a"], 3)
    assert array.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", parallel_runs.RUNS)
def test_one_shard_is_the_whole_batch(name):
    assert parallel_runs.run(name, shards=1) == parallel_runs.run(name, shards=None)


@pytest.mark.parametrize("name", parallel_runs.RUNS)
def test_same_bytes_captured_or_not_and_for_any_number_of_threads(name):
    expected = parallel_runs.run(name, capture=True)
    assert parallel_runs.run(name, capture=False) == expected
    threads = minidnn.get_num_threads()
    try:
        minidnn.set_num_threads(1)
        assert parallel_runs.run(name) == expected
    finally:
        minidnn.set_num_threads(threads)


def test_gradient_equals_that_of_the_whole_batch():
    """A step of SGD without momentum, in float64 by the formula."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((22, 3)).astype(np.float32), rng.standard_normal(22).astype(np.float32)
    model = nn.Sequential(nn.Dense(3, 1))
    kernel, bias = (p.data.astype(np.float64) for p in model.parameters())
    training.fit(
        model, (x, y), loss=nn.mean_squared_error, optimizer=optim.SGD(model.parameters(), lr=0.5), epochs=1,
        batch_size=24, shards=4, progress=False,
    )  # fmt: skip
    error = x.astype(np.float64) @ kernel + bias - y[:, None]
    np.testing.assert_allclose(model.layers[0].kernel.data, kernel - 0.5 * 2 * x.T @ error / 22, rtol=1e-5)
    np.testing.assert_allclose(model.layers[0].bias.data, bias - 0.5 * 2 * error.mean(0), rtol=1e-5)


def test_running_statistics_are_updated_once_by_the_mean_of_the_shards():
    x = np.random.default_rng(2).standard_normal((16, 3)).astype(np.float32)
    model = nn.Sequential(nn.BatchNorm(3, momentum=0.9), nn.Dense(3, 2))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    order = minidnn.Generator(4)
    x_in_order = next(data.batches(data.ArrayDataset(x, np.zeros(16, int)), 16, minidnn.Generator(4)))[0]
    training.fit(
        model, x, np.zeros(16, int), optimizer=optimizer, epochs=1, batch_size=16, shards=4, rng=order, progress=False
    )
    shards = x_in_order.astype(np.float64).reshape(4, 4, 3)
    layer = model.layers[0]
    np.testing.assert_allclose(layer.running_mean.data, 0.1 * shards.mean(1).mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(layer.running_var.data, 0.9 + 0.1 * shards.var(1).mean(0), rtol=1e-5)


def test_every_shard_drops_other_units():
    masks = []

    class Seen(nn.Module):
        def forward(self, x):
            masks.append(x.data == 0)
            return x

    model = nn.Sequential(nn.Dropout(0.5), Seen(), nn.Dense(40, 2))
    x = np.ones((16, 40), np.float32)
    training.fit(
        model, x, np.zeros(16, int), optimizer=optim.SGD(model.parameters(), lr=0.1), epochs=3, batch_size=16, shards=4,
        progress=False,
    )  # fmt: skip
    assert len({mask.tobytes() for mask in masks}) == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shards": 3}, "shards is 3, must be a power of two"),
        ({"shards": 0}, "shards must be at least 1"),
        ({"shards": "8"}, "shards must be an integer"),
        ({"shards": 2048, "batch_size": 2048}, "must be a power of two up to 1024"),
        ({"shards": 8, "batch_size": 20}, "batch_size is 20, must be a multiple of shards=8; give batch_size=16"),
        ({"shards": 32, "batch_size": 32}, "shards is 32, must be at most the number of examples, 20"),
    ],
)
def test_invalid_shards_are_refused(options, message):
    model = nn.Sequential(nn.Dense(3, 2))
    before = model.state_dict()
    with pytest.raises((TypeError, ValueError), match=message):
        training.fit(
            model, np.ones((20, 3), np.float32), np.zeros(20, int), optimizer=optim.SGD(model.parameters(), lr=0.1),
            epochs=1, progress=False, **{"batch_size": 16, **options},
        )  # fmt: skip
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_loss_that_is_not_finite_ends_the_run_before_the_update():
    model = nn.Sequential(nn.Dense(3, 2))
    model.layers[0].kernel.data[...] = 1e38
    before = model.state_dict()
    with pytest.raises(training.NonFiniteError, match=r"the loss of step 1 \(epoch 1\)"):
        training.fit(
            model, np.full((16, 3), 1e3, np.float32), np.zeros(16, int), epochs=1, batch_size=16, shards=4,
            optimizer=optim.SGD(model.parameters(), lr=0.1), progress=False,
        )  # fmt: skip
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_changing_integer_buffer_is_refused():
    class Counts(nn.Module):
        def __init__(self):
            self.seen = minidnn.Tensor(np.zeros(1, np.int64))

        def forward(self, x):
            self.seen.data[...] += 1
            return x

    model = nn.Sequential(Counts(), nn.Dense(3, 2))
    with pytest.raises(TypeError, match=r"changes 0\.seen, of int64, which shards cannot share"):
        training.fit(
            model, np.ones((16, 3), np.float32), np.zeros(16, int), epochs=1, batch_size=16, shards=4,
            optimizer=optim.SGD(model.parameters(), lr=0.1), progress=False,
        )  # fmt: skip


@pytest.mark.parametrize("name", parallel_runs.RUNS)
def test_resumes_in_the_middle_of_an_epoch_with_the_same_bytes(tmp_path, name):
    class Stop(training.Callback):
        observer = True

        def on_step_end(self, run):
            if run.step == 7:
                raise RuntimeError("lost")

    expected = parallel_runs.run(name, epochs=3)
    minidnn.manual_seed(7)
    own = [training.EarlyStopping(100, every=3)] if name == "everything" else []
    checkpoint = training.Checkpoint(tmp_path, every=5)
    fit = training.fit

    def cut(*args, callbacks=(), **options):
        return fit(*args, callbacks=[*own, checkpoint, *more], **options)

    training.fit = cut
    try:
        more = [Stop()]
        with pytest.raises(RuntimeError, match="lost"):
            parallel_runs.run(name, epochs=3)
        more = []
        own = [training.EarlyStopping(100, every=3)] if own else []
        assert parallel_runs.run(name, epochs=3, resume=tmp_path)["sha256"] == expected["sha256"]
        with pytest.raises(training.ResumeError, match="shards is 2, was 4"):
            parallel_runs.run(name, epochs=3, resume=tmp_path, shards=2)
    finally:
        training.fit = fit
