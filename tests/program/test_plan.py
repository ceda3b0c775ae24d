"""The memory, the order of calls and the threads of a plan."""

import numpy as np
import pytest

import minidnn
from minidnn import Tensor, kernels, nn, ops, optim, training

pytestmark = pytest.mark.compiled


def ends(make_step, batches, captured):
    """The bytes of every result of the step on the batches."""
    step = make_step()
    run = training.Captured(step, strict=True) if captured else step
    return [result.data.tobytes() for batch in batches for result in run(*batch)]


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "shape",
    [
        (50, 784, 300),
        (13, 512, 600),
        (200, 448, 1030),
        (1, 900, 1024),
        (3, 700, 900),
        (4, 900, 1024),
        (100, 2051, 1100),
        (64, 3075, 300),
    ],
)
def test_sums_that_travel_between_threads_keep_their_bytes(threads, shape):
    batch, n_in, n_out = shape
    generator = minidnn.Generator(1)
    x, w, b = generator.normal((batch, n_in)), generator.normal((n_in, n_out)), generator.normal(n_out)
    kernels.set_num_threads(1)
    expected = kernels.dense(x, w, b, "elu", 1.0)
    kernels.set_num_threads(threads)
    for _ in range(5):
        assert kernels.dense(x, w, b, "elu", 1.0).tobytes() == expected.tobytes()
    bound = 2 * n_in * np.finfo(np.float32).eps * (np.abs(x) @ np.abs(w) + np.abs(b)) + 1e-6
    truth = minidnn.reference.dense(x.astype(float), w.astype(float), b.astype(float), "elu", 1.0)
    assert (np.abs(expected - truth) <= bound).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_elementwise_calls_on_parts_of_each_others_arrays_keep_their_order(threads):
    kernels.set_num_threads(threads)
    n = 50_000
    batches = [(minidnn.Generator(seed).normal(n),) for seed in (1, 2, 3)]

    def make():
        def step(x):
            x = Tensor(x)
            whole = x + x
            halves = whole[: n // 2] * whole[n // 2 :]  # element 0 needs element n / 2 of the call before
            again = halves - whole[n // 2 :]
            return whole * whole, again + again

        return step

    assert ends(make, batches, captured=True) == ends(make, batches, captured=False)


def test_updates_of_many_sizes_together():
    sizes = [1, 63, 64, 65, 5000, 2048, 2049, 300, 40_000]

    def run(captured, threads):
        kernels.set_num_threads(threads)
        params = [nn.Parameter(minidnn.Generator(i).normal(n)) for i, n in enumerate(sizes)]
        optimizer = optim.Adam(params, 0.01)

        def step(x):
            optimizer.zero_grad()
            loss = sum((ops.mean(p * p) * ops.mean(Tensor(x)) for p in params), start=ops.mean(Tensor(x)))
            loss.backward()
            optimizer.step()
            return loss

        step = training.Captured(step, strict=True) if captured else step
        for seed in range(4):
            step(minidnn.Generator(seed).normal(100))
        return [p.data.tobytes() for p in params]

    expected = run(captured=False, threads=1)
    assert run(captured=True, threads=1) == run(captured=True, threads=3) == expected


def test_memory_that_a_step_no_longer_needs_is_used_again():
    depth, batch, width = 12, 64, 256
    minidnn.manual_seed(1)
    model = nn.Sequential(*(nn.Dense(width, width, "relu") for _ in range(depth)))

    def step(x):
        for parameter in model.parameters():
            parameter.grad = None
        loss = ops.mean(model(x) * model(x).detach())
        loss.backward()
        return loss

    program = training.capture(step, minidnn.Generator(1).normal((batch, width))).program
    activation, gradients = 4 * batch * width, 4 * depth * (width * width + width)
    passes = 2 * depth * activation  # both forward passes, of which only the first is needed for the gradients
    assert program.nbytes < gradients + passes + 8 * activation


def test_results_begin_at_a_cache_line():
    x = minidnn.Generator(1).normal((100, 300))
    for _ in range(10):
        assert kernels.relu(x).ctypes.data % 64 == 0


def test_arrays_updated_together_have_different_offsets_in_a_page():
    parameter = nn.Dense(300, 100).kernel
    optimizer = optim.Adam([parameter])
    arrays = [parameter.data, *optimizer.tracks()[0].slots.values()]
    assert len({array.ctypes.data % 4096 for array in arrays}) == len(arrays) == 3
    assert all(array.ctypes.data % 64 == 0 for array in arrays)


def test_a_result_outlives_its_plan():
    def step(x):
        return (Tensor(x) + Tensor(x),)

    x = minidnn.Generator(1).normal(5000)
    captured = training.capture(step, x)
    (kept,) = captured(x)
    del captured
    assert [np.array_equal(kept.data, 2 * x) for _ in range(3)] == [True] * 3
