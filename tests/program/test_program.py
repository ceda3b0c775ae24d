"""Programs: their text, what raises while they are recorded, and the state after recording."""

import math

import numpy as np
import pytest
from kit.capturing import BATCHES, everything, simple, step_of, trained

import minidnn
from minidnn import Tensor, kernels, nn, ops, optim, program, training

pytestmark = pytest.mark.compiled


def named():
    minidnn.manual_seed(1)
    model = nn.Sequential(nn.Dense(8, 5, "relu", name="hidden1"), nn.Dense(5, 4, name="logits"))
    return trained(model)


# Its text


def test_a_program_is_printed_call_by_call():
    _, _, step = named()
    lines = str(training.capture(step, *BATCHES[0])).split("\n")
    assert lines[0].startswith("step(x f32[6,8], y i64[6]) -> result f32[]    13 calls, ")
    assert [line.split()[1] for line in lines[1:]] == [
        *["dense"] * 2,
        "softmax_cross_entropy",
        "mean",
        "mean_backward",
        "scale_rows",
        *["dense_backward"] * 2,
        "count",
        *["momentum_step"] * 4,
    ]
    assert lines[1].split(None, 2)[2].startswith("t1 <- x, hidden1.kernel, hidden1.bias")
    assert lines[1].endswith("activation=relu")
    assert "logits.bias, logits.bias.velocity <- logits.bias.grad, lr" in lines[-1]
    assert lines[-1].endswith("momentum=0.9")


def test_calls_know_their_buffers():
    model, _, step = named()
    calls = training.capture(step, *BATCHES[0]).calls
    update = calls[-4]
    assert update.kernel == "momentum_step" and update.compiled
    assert [(buffer.name, buffer.role) for buffer in update.reads] == [
        ("hidden1.kernel", "parameter"),
        ("hidden1.kernel.grad", "result"),
        ("hidden1.kernel.velocity", "state"),
    ]
    assert [buffer.name for buffer in update.writes] == ["hidden1.kernel", "hidden1.kernel.velocity"]
    assert update.settings["momentum"] == 0.9 and update.settings["lr"].name == "lr"
    assert update.reads[0].shape == (8, 5) and update.reads[0].nbytes == model.layers[0].kernel.data.nbytes


def test_every_value_is_written_before_it_is_read():
    _, _, step = named()
    written = set()
    for call in training.capture(step, *BATCHES[0]).calls:
        assert all(buffer.role not in ("temporary", "result") or id(buffer) in written for buffer in call.reads)
        written |= {id(buffer) for buffer in call.writes}


def test_a_captured_step_that_was_not_called_has_no_program():
    captured = training.Captured(lambda x: x)
    assert "nothing recorded yet" in str(captured)
    with pytest.raises(training.CaptureError, match="no program was recorded"):
        captured.program  # noqa: B018 - the property raises


def test_a_profile_times_every_call_and_changes_nothing(tmp_path):
    model, optimizer, step = named()
    captured = training.capture(step, *BATCHES[0])
    before = everything(model, optimizer)
    profile = captured.profile(*BATCHES[1], repeats=3)
    assert everything(model, optimizer)[0][: len(model.state_dict())] == before[0][: len(model.state_dict())]
    assert optimizer.state_dict().keys() and optimizer.steps == 1
    assert len(profile.rows) == 13 and all(row.seconds > 0 for row in profile.rows)
    assert math.isclose(sum(row.share for row in profile.rows), 1.0)
    products = [row for row in profile.rows if row.call.kernel.startswith("dense")]
    assert [row.call.flops for row in products] == [2 * 6 * 8 * 5, 2 * 6 * 5 * 4, 4 * 6 * 5 * 4, 2 * 6 * 8 * 5]
    assert all("GFLOP/s" in row.rate and row.floor > 0 for row in products)
    assert str(profile).count("momentum_step") == 4 and "fastest product" in str(profile)
    after = captured(*BATCHES[2])
    model2, optimizer2, step2 = named()
    step2(*BATCHES[0])
    assert step2(*BATCHES[2]).item() == after.item()
    assert everything(model, optimizer)[0] == everything(model2, optimizer2)[0]


def test_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    _, _, step = named()
    captured = training.capture(step, *BATCHES[0])
    captured.draw(tmp_path / "program.png")
    captured.profile(*BATCHES[0], repeats=2).draw(tmp_path / "profile.svg")
    assert (tmp_path / "program.png").read_bytes()[:4] == b"\x89PNG"
    assert b"softmax_cross_entropy" in (tmp_path / "profile.svg").read_bytes() or (tmp_path / "profile.svg").stat()


# Access to values

W = nn.Parameter(np.ones((8, 4), np.float32))
OPTIMIZER = optim.SGD([W], 0.1, momentum=0.9)
GENERATOR = minidnn.Generator(1)

ACCESSES = {
    "item": lambda t, x, y: t.item(),
    "float": lambda t, x, y: float(t),
    "int": lambda t, x, y: int(t),
    "bool": lambda t, x, y: bool(t > 0),
    "format": lambda t, x, y: f"{t:.3f}",
    "numpy": lambda t, x, y: t.numpy(),
    "asarray": lambda t, x, y: np.asarray(t),
    "a NumPy function": lambda t, x, y: np.abs(t),
    "data": lambda t, x, y: W.data,
    "setting data": lambda t, x, y: setattr(W, "data", np.zeros((8, 4), np.float32)),
    "grad": lambda t, x, y: W.grad,
    "setting grad": lambda t, x, y: setattr(W, "grad", np.zeros((8, 4), np.float32)),
    "accuracy": lambda t, x, y: nn.accuracy(Tensor(x)[:, :4], y),
    "slots": lambda t, x, y: OPTIMIZER.tracks()[0].slots,
    "updates": lambda t, x, y: OPTIMIZER.tracks()[0].updates,
    "steps": lambda t, x, y: OPTIMIZER.steps,
    "the rate": lambda t, x, y: OPTIMIZER.lr,
    "the optimizer's state": lambda t, x, y: OPTIMIZER.state_dict(),
    "a draw": lambda t, x, y: GENERATOR.uniform(3),
    "bits": lambda t, x, y: GENERATOR.bits(3),
    "the number of the draw": lambda t, x, y: GENERATOR.draw,
    "max of an argument": lambda t, x, y: x.max(),
    "mean of an argument": lambda t, x, y: np.mean(x),
    "comparison of an argument": lambda t, x, y: y == 3,
    "arithmetic on an argument": lambda t, x, y: 2.0 * x,
    "index by an argument": lambda t, x, y: np.eye(10)[y],
    "index of an argument": lambda t, x, y: x[np.array([0, 1])],
    "iteration over an argument": lambda t, x, y: list(y),
    "truth of an argument": lambda t, x, y: bool(y[0]),
    "setting an argument": lambda t, x, y: x.__setitem__(0, 1.0),
    "asarray of an argument": lambda t, x, y: np.asarray(x),
    "type of an argument": lambda t, x, y: x.astype(np.float64),
}


@pytest.mark.parametrize("swallowed", [False, True])
@pytest.mark.parametrize("name", ACCESSES)
def test_access_to_values_is_refused_while_a_step_is_recorded(name, swallowed):
    def step(x, y):
        t = ops.mean(Tensor(x) @ W)
        try:
            ACCESSES[name](t, x, y)
        except Exception:
            if not swallowed:
                raise
        return t

    step(*BATCHES[0])  # allowed outside of recording
    with pytest.raises(training.CaptureError, match=r"test_program\.py:\d+"):
        training.capture(step, *BATCHES[0])


def test_access_to_values_is_allowed_after_recording():
    _, _, step = simple()
    training.capture(step, *BATCHES[0])
    assert float(Tensor(1.5)) == 1.5 and GENERATOR.draw >= 0 and OPTIMIZER.steps == 0


def test_supported_operations_on_an_argument_of_a_step():
    def step(x, y):
        assert x.shape == (6, 8) and x.dtype == np.float32 and len(y) == 6 and x.ndim == 2 and x.size == 48
        assert "x" in repr(x) and hasattr(x, "shape") and not hasattr(x, "no_such_thing")
        part = Tensor(x[1:, :4]) + x[:5, 4:]
        return part, Tensor(x.T), Tensor(x.reshape(-1)), nn.softmax_cross_entropy(Tensor(x), y)

    captured = training.capture(step, *BATCHES[0])
    for batch in BATCHES:
        x, y = batch
        part, turned, flat, loss = captured(*batch)
        assert np.array_equal(part.data, x[1:, :4] + x[:5, 4:])
        assert np.array_equal(turned.data, x.T) and np.array_equal(flat.data, x.ravel())
        assert loss.item() == nn.softmax_cross_entropy(Tensor(x), y).item()


# The state after recording and replaying


def test_the_gradient_of_a_parameter_without_axes_keeps_its_shape():
    x, factor = np.ones((4, 3), np.float32), nn.Parameter(np.float32(2.0))

    def step(x):
        loss = ops.mean(minidnn.Tensor(x) * factor)
        loss.backward()
        return loss

    factor.grad = np.array(1.0, np.float32)
    recorded = program.record_program(step, (x,))
    assert factor.grad.shape == () and factor.grad == 2
    recorded.run((x,))
    assert factor.grad.shape == () and factor.grad == 3


@pytest.mark.parametrize("access", ["item", "data", "max of an argument"])
def test_a_refused_step_changes_nothing(access):
    minidnn.manual_seed(3)
    model = nn.Sequential(nn.Dropout(0.4), nn.Dense(8, 5), nn.BatchNorm(5), nn.Dense(5, 4))
    optimizer = optim.Adam(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        loss = nn.softmax_cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        ACCESSES[access](loss, x, y)
        return loss

    before = everything(model, optimizer)
    with pytest.raises(training.CaptureError):
        training.capture(step, *BATCHES[0])
    assert everything(model, optimizer) == before


def test_results_are_arrays_of_their_own():
    _, _, step = simple()
    captured = training.capture(step, *BATCHES[0])
    losses = [captured(*batch) for batch in BATCHES[1:]]
    _, _, step2 = simple()
    step2(*BATCHES[0])
    assert [loss.item() for loss in losses] == [step2(*batch).item() for batch in BATCHES[1:]]


@pytest.mark.parametrize("forgets", [True, False])
def test_gradients_without_an_update(forgets):
    ends = []
    for captured in (False, True):
        minidnn.manual_seed(1)
        model = nn.Sequential(nn.Dense(8, 5, "tanh"), nn.Dense(5, 4))
        optimizer = optim.SGD(model.parameters(), 0.1)

        def step(x, y, model=model):
            if forgets:
                optimizer.zero_grad()  # noqa: B023
            loss = nn.softmax_cross_entropy(model(x), y)
            loss.backward()
            return loss

        run = training.Captured(step, strict=True) if captured else step
        seen = []
        for number, batch in enumerate(BATCHES):
            run(*batch)
            seen.append([param.grad.tobytes() for param in model.parameters()])
            if number == 2:
                optimizer.step()
                optimizer.zero_grad()
        ends.append((seen, [param.data.tobytes() for param in model.parameters()]))
    assert ends[0] == ends[1]


def test_an_update_without_gradients_of_its_own():
    ends = []
    for captured in (False, True):
        model, optimizer, _ = simple()

        def step():
            optim.clip_by_global_norm(model.parameters(), 0.5)  # noqa: B023
            optimizer.step()  # noqa: B023

        run = training.Captured(step, strict=True) if captured else step
        for x, y in BATCHES:
            nn.softmax_cross_entropy(model(x), y).backward()
            run()
            optimizer.zero_grad()
        ends.append(everything(model, optimizer))
    assert ends[0] == ends[1]


def test_the_gradient_of_an_input():
    model, _, _ = simple()

    def step(x, y):
        image = Tensor(x, requires_grad=True)
        nn.softmax_cross_entropy(model(image), y).backward()
        return image

    captured = training.capture(step, *BATCHES[0])
    for batch in BATCHES:
        model.layers[0].kernel.grad = None
        got = captured(*batch)
        assert got.grad.tobytes() == step(*batch).grad.tobytes() and np.array_equal(got.data, batch[0])


def test_evaluation_is_a_step():
    model = nn.Sequential(nn.Dense(8, 5), nn.BatchNorm(5), nn.Dropout(0.5), nn.Dense(5, 4)).eval()
    captured = training.Captured(lambda x: ops.softmax(model(x)), strict=True)
    with minidnn.no_grad():
        for x, _ in BATCHES:
            assert captured(x).data.tobytes() == ops.softmax(model(x)).data.tobytes()


def test_two_updates_in_a_step_follow_the_schedule():
    ends = []
    for captured in (False, True):
        param = nn.Parameter(np.ones(3, np.float32))
        optimizer = optim.SGD([param], lambda step: 0.1 / (1 + step))

        def step():
            for _ in range(2):
                optimizer.zero_grad()  # noqa: B023
                ops.sum(param * param).backward()  # noqa: B023
                optimizer.step()  # noqa: B023

        run = training.Captured(step, strict=True) if captured else step
        for _ in range(4):
            run()
        ends.append((param.data.tobytes(), optimizer.steps))
    assert ends[0] == ends[1] and ends[0][1] == 8


def test_an_empty_view_of_a_parameter():
    def three(captured):
        param = nn.Parameter(np.float32([[1, 2], [3, 4]]))
        optimizer = optim.SGD([param], 0.1)

        def step():
            optimizer.zero_grad()
            loss = ops.sum(param) + ops.sum(param[:0])
            loss.backward()
            optimizer.step()
            return loss

        run = training.Captured(step, strict=True) if captured else step
        return [run().item() for _ in range(3)], param.data.tolist()

    assert three(True) == three(False)


def test_float64_is_captured_as_calls_into_python():
    param = nn.Parameter(np.linspace(0, 1, 5))
    plain = nn.Parameter(np.linspace(0, 1, 5))

    def step(x, param=param):
        loss = ops.sum(ops.exp(param) * param / (1.0 + param))
        param.grad = None
        loss.backward()
        return loss

    captured = training.capture(step, np.ones(1, np.float32))
    assert not any(call.compiled for call in captured.calls)
    param.data[...] = plain.data[...] = np.linspace(1, 2, 5)
    assert captured(np.ones(1, np.float32)).item() == step(None, plain).item()
    assert param.grad.tobytes() == plain.grad.tobytes() and kernels.backend() == "compiled"


def test_memory_of_many_shapes_is_bounded():
    import resource

    minidnn.manual_seed(0)
    model = nn.Sequential(nn.Dense(8, 64, "relu"), nn.Dense(64, 4))
    optimizer = optim.SGD(model.parameters(), 0.01)
    x, y = np.ones((400, 8), np.float32), np.zeros(400, np.int64)
    captured = training.capture(step_of(model, optimizer), x[:1], y[:1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for n in range(1, 401):
        captured(x[:n], y[:n])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kB; 8 programs
