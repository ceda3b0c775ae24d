"""Frozen layers: their selection, that they cost nothing in the backward pass, and that no byte of them changes."""

import numpy as np
import pytest

import minidnn
from minidnn import data, kernels, nn, optim, pretraining, reuse, training

RNG = np.random.default_rng(2)
X, Y = RNG.standard_normal((240, 8)).astype(np.float32), RNG.integers(0, 4, 240)
DATA = data.ArrayDataset(X, Y)


def everything_in_one():
    """A network whose lower part has all layers that keep statistics, draw random numbers or are regularized."""
    return nn.Sequential(
        nn.Dropout(0.3, name="drop"),
        nn.Dense(
            8,
            6,
            "elu",
            name="hidden1",
            kernel_regularizer=nn.l2(0.1),
            activity_regularizer=nn.l1(0.1),
            kernel_constraint=nn.max_norm(0.01),
        ),
        nn.BatchNorm(6, momentum=0.5, name="norm"),
        nn.PReLU(6, name="prelu"),
        nn.RReLU(name="rrelu"),
        nn.LayerNorm(6, name="rows"),
        nn.Residual(nn.Dense(6, 6, "tanh", name="inner"), name="block"),
        nn.DropConnect(nn.Dense(6, 6), 0.4, name="connect"),
        nn.AlphaDropout(0.3, name="alpha"),
        nn.Dense(6, 5, "relu", name="hidden2"),
        nn.Dense(5, 4, name="outputs"),
    )


def frozen_paths(model):
    return [path for path, param in model.named_parameters() if not param.requires_grad]


@pytest.fixture
def model():
    minidnn.manual_seed(1)
    return nn.Sequential(
        nn.Dense(8, 6, "relu", name="hidden1"),
        nn.Residual(nn.Dense(6, 6, name="hidden"), name="block"),
        nn.Dense(6, 5, "relu", name="hidden2"),
        nn.Dense(5, 4, name="outputs"),
    )


H1, H2 = ["hidden1.kernel", "hidden1.bias"], ["hidden2.kernel", "hidden2.bias"]
BLOCK = ["block.block.kernel", "block.block.bias"]


@pytest.mark.parametrize(
    ("choose", "frozen"),
    [
        (lambda m: (m, "hidden1"), H1),
        (lambda m: (m, "hidden*"), H1 + H2),
        (lambda m: (m, "hidden[2-9]", "block"), BLOCK + H2),
        (lambda m: (m, "block.block"), BLOCK),
        (lambda m: (m, "*.bias"), ["hidden1.bias", "block.block.bias", "hidden2.bias", "outputs.bias"]),
        (lambda m: (m.layers[:2],), H1 + BLOCK),
        (lambda m: (m[:2],), H1 + BLOCK),
        (lambda m: (m.layers[1].block,), BLOCK),
        (lambda m: (m.layers[0].kernel,), ["hidden1.kernel"]),
        (lambda m: ([m.layers[2], m.layers[0].bias],), ["hidden1.bias", *H2]),
        (lambda m: (m.layers[:3], "hidden*"), H1 + H2),
        (lambda m: (m,), [*H1, *BLOCK, *H2, "outputs.kernel", "outputs.bias"]),
    ],
)
def test_layers_are_selected_by_name_pattern_object_or_depth(model, choose, frozen):
    reuse.freeze(*choose(model))
    assert frozen_paths(model) == frozen
    reuse.unfreeze(*choose(model))
    assert frozen_paths(model) == [] and not any(module.frozen for _, module in model.named_modules())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("hiden*",), ValueError, r"freeze: nothing is called 'hiden\*'; there are hidden1, block, block.block, hid"),
        ((3,), TypeError, "names must be strings, got int"),
    ],
)
def test_names_that_match_nothing_are_refused(model, arguments, error, message):
    with pytest.raises(error, match=message):
        reuse.freeze(model, *arguments)
    assert frozen_paths(model) == []


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ([], ValueError, "unfreeze: there is nothing in the list"),
        ("hidden1", TypeError, "unfreeze: takes modules and parameters, got str"),
        (5, TypeError, "got int"),
        ([minidnn.Tensor([1.0])], TypeError, "got Tensor"),
    ],
)
def test_other_targets_are_refused(target, error, message):
    with pytest.raises(error, match=message):
        reuse.unfreeze(target)


@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, 0.1, momentum=0.9), optim.Adam, optim.FTRL])
def test_no_byte_of_a_frozen_layer_changes_in_training(capture, make):
    minidnn.manual_seed(3)
    model = everything_in_one()
    reuse.freeze(model.layers[:9])
    before, keys = model.state_dict(), minidnn.get_rng_state()
    optimizer = make(model.parameters())
    history = training.fit(model, DATA, optimizer=optimizer, epochs=2, batch_size=60, capture=capture, progress=False)
    for path, value in model.state_dict().items():
        same = value.tobytes() == before[path].tobytes()
        assert same != path.startswith(("hidden2", "outputs")), path
    trained = [track for track in optimizer.tracks() if track.param.requires_grad]
    assert len(trained) == 4 and all(track.slots for track in trained)
    assert not any(track.slots or track.updates for track in optimizer.tracks() if not track.param.requires_grad)
    assert all(param.grad is None for param in model.parameters() if not param.requires_grad)
    assert minidnn.get_rng_state()["draw"] == keys["draw"] + 2  # the orders of two epochs, and no masks
    plain, _ = training.evaluate(model, DATA)  # without penalties
    assert history["loss"][-1] == pytest.approx(plain, abs=0.1)


def test_the_frozen_part_is_the_same_function_in_training_and_evaluation():
    model = everything_in_one()
    reuse.freeze(model)
    assert model.train()(X).data.tobytes() == model.eval()(X).data.tobytes()
    reuse.unfreeze(model)
    assert model.train()(X).data.tobytes() != model.eval()(X).data.tobytes()


def spied(monkeypatch, name):
    """The calls of a kernel."""
    calls, kernel = [], getattr(kernels, name)
    monkeypatch.setattr(kernels, name, lambda *args, **options: calls.append(args) or kernel(*args, **options))
    return calls


def test_the_backward_pass_ends_at_the_lowest_trained_layer(model, monkeypatch):
    reuse.freeze(model.layers[:3])
    backward = spied(monkeypatch, "dense_backward")
    logits = model(X)
    below = model[:3](X)
    assert not below.requires_grad and below.op is None
    nn.softmax_cross_entropy(logits, Y).backward()
    assert [call[-2:] for call in backward] == [(False, True)]  # the outputs' weights, not their inputs


def test_a_frozen_layer_between_trained_ones_only_computes_the_gradient_of_its_input(model, monkeypatch):
    reference = nn.softmax_cross_entropy(model(X), Y)
    reference.backward()
    expected = model.layers[0].kernel.grad
    model.layers[0].kernel.grad = None
    reuse.freeze(model, "block", "hidden2")
    backward = spied(monkeypatch, "dense_backward")
    nn.softmax_cross_entropy(model(X), Y).backward()
    assert [call[-2:] for call in backward] == [(True, True), (True, False), (True, False), (False, True)]
    assert model.layers[0].kernel.grad.tobytes() == expected.tobytes()
    assert model.layers[2].kernel.grad is None


@pytest.mark.parametrize(
    ("make", "kernel"),
    [
        (lambda: nn.PReLU(6, name="between"), "prelu_backward"),
        (lambda: nn.LayerNorm(6, name="between"), "layer_norm_backward"),
    ],
)
def test_no_gradients_of_frozen_slopes_and_scales_are_computed(make, kernel, monkeypatch):
    minidnn.manual_seed(5)
    model = nn.Sequential(nn.Dense(8, 6), make(), nn.Dense(6, 4))
    backward = spied(monkeypatch, kernel)
    gradients = []
    for frozen in (False, True):
        if frozen:
            reuse.freeze(model, "between")
        for param in model.parameters():
            param.grad = None
        nn.softmax_cross_entropy(model(X), Y).backward()
        gradients.append(model.layers[0].kernel.grad.tobytes())
    assert [call[-1] for call in backward] == [True, False]
    assert gradients[0] == gradients[1]
    assert all(param.grad is None for param in model.layers[1].parameters())


def test_no_gradient_of_frozen_tied_weights_is_computed(monkeypatch):
    dense = nn.Dense(8, 6, "tanh")
    decoder = pretraining.Transposed(dense, "tanh")
    reuse.freeze(decoder)
    h = minidnn.Tensor(RNG.standard_normal((5, 6)).astype(np.float32), requires_grad=True)
    products, sums = spied(monkeypatch, "matmul"), spied(monkeypatch, "column_sum")
    decoder(h).backward(np.ones((5, 8), np.float32))
    assert len(products) == 1 and not sums and h.grad is not None


@pytest.mark.parametrize("frozen", [True, False])
def test_the_gradient_through_batch_norm_in_evaluation_mode_is_exact(frozen):
    layer = nn.BatchNorm(6)
    layer.gamma.data[...] = RNG.uniform(0.5, 2.0, 6)
    layer.running_var.data[...] = RNG.uniform(0.5, 2.0, 6)
    if frozen:
        reuse.freeze(layer)
    x, dy = minidnn.Tensor(X[:, :6].copy(), requires_grad=True), RNG.standard_normal((240, 6)).astype(np.float32)
    layer.eval()(x).backward(dy)
    exact = dy * (layer.gamma.data / np.sqrt(layer.running_var.data.astype(np.float64) + layer.eps))
    np.testing.assert_allclose(x.grad, exact, rtol=1e-6)
    assert (layer.gamma.grad is None) == frozen


@pytest.mark.compiled
@pytest.mark.parametrize("given", [True, False])
def test_a_captured_step_is_recorded_again_after_freezing_and_thawing(given):
    ends = []
    for captured in (True, False):
        minidnn.manual_seed(4)
        model = everything_in_one()
        optimizer = optim.Adam(model.parameters(), 0.01)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = nn.softmax_cross_entropy(model(x), y) + model.regularization_loss()
            loss.backward()
            optimizer.step()
            return loss

        if captured:
            step = training.Captured(step, strict=True, model=model if given else None)
        losses = []
        freezings = [lambda m: None, lambda m: reuse.freeze(m.layers[:4]), lambda m: reuse.unfreeze(m, "norm", "hid*")]
        for change in freezings:
            change(model)
            losses += [step(X[at : at + 60], Y[at : at + 60]).item() for at in (0, 60, 120)]
        state = {**model.state_dict(), **optimizer.state_dict()}
        ends.append((losses, {key: np.asarray(value).tobytes() for key, value in state.items()}))
    assert ends[0] == ends[1]


def test_freezing_deletes_optimizer_slots_and_thawing_starts_them_again(model):
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)

    def step():
        optimizer.zero_grad()
        nn.softmax_cross_entropy(model(X), Y).backward()
        optimizer.step()

    step()
    reuse.freeze(model, "hidden1")
    step()
    first, *_, last = optimizer.tracks()
    assert first.slots == {} and first.updates == 0 and last.slots["velocity"].any() and last.updates == 2
    reuse.unfreeze(model, "hidden1")
    step()
    assert first.updates == 1
    assert first.slots["velocity"].tobytes() == first.param.grad.tobytes()  # 0.9 * 0 + grad


def test_the_state_of_an_optimizer_has_no_slots_of_frozen_layers(model):
    def fresh():
        return optim.SGD(model.parameters(), 0.1, momentum=0.9)

    reuse.freeze(model, "hidden1")
    optimizer = fresh()
    nn.softmax_cross_entropy(model(X), Y).backward()
    optimizer.step()
    state = optimizer.state_dict()
    assert "0.velocity" not in state and "7.velocity" in state
    reuse.unfreeze(model, "hidden1")
    other = fresh()
    other.load_state_dict(state)
    assert other.tracks()[0].slots == {} and other.state_dict().keys() == state.keys()
    damaged = {key: value for key, value in state.items() if key != "7.velocity"}
    with pytest.raises(ValueError, match=r"missing 7\.velocity"):
        other.load_state_dict(damaged)


def test_a_shared_layer_is_frozen_everywhere():
    shared = nn.Dense(4, 4)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    reuse.freeze(model.layers[0])
    assert frozen_paths(model) == ["0.kernel", "0.bias"] and model.layers[2].frozen


def test_training_a_fully_frozen_model_is_refused(model):
    reuse.freeze(model)
    with pytest.raises(RuntimeError, match="no input of this tensor requires a gradient"):
        training.fit(model, DATA, optimizer=optim.SGD(model.parameters(), 0.1), epochs=1, batch_size=50, progress=False)


def test_a_resumed_run_restores_which_layers_are_frozen(tmp_path):
    def run(epochs, resume, freeze):
        minidnn.manual_seed(6)
        model = everything_in_one()
        if freeze:
            reuse.freeze(model.layers[:9])
        training.fit(
            model,
            DATA,
            optimizer=optim.SGD(model.parameters(), 0.1, momentum=0.9),
            epochs=epochs,
            batch_size=60,
            callbacks=[training.Checkpoint(tmp_path / str(resume), overwrite=True)],
            resume=tmp_path / "None" if resume else None,
            progress=False,
        )
        return model

    whole = run(3, False, True).state_dict()
    run(2, None, True)
    resumed = run(3, True, False)  # the checkpoint has what was frozen
    assert resumed.layers[0].frozen
    assert all(value.tobytes() == whole[path].tobytes() for path, value in resumed.state_dict().items())
