"""Compiled models give the outputs of the original models, in every form, from every thread."""

import re
import threading

import numpy as np
import pytest
from kit.deployed import FOLDED, UNFOLDED, X, plain, trained

import minidnn
from minidnn import deploy, kernels, nn, ops
from minidnn.deploy import compiling

EPS = float(np.finfo(np.float32).eps)


@pytest.mark.compiled
@pytest.mark.parametrize("sparse", [False, True, "auto"])
@pytest.mark.parametrize("name", UNFOLDED)
def test_without_folding_the_outputs_equal_the_models_bit_for_bit(name, sparse):
    model = trained(UNFOLDED[name]())
    compiled = deploy.compile(model, sparse=sparse)
    for batch in (1, 2, 5, 37):
        assert compiled.predict(X[:batch]).tobytes() == model(X[:batch]).data.tobytes()


def in_float64(model, x):
    """The exact outputs, and a bound for the error of those in float32, after Higham 2002, section 3.1.

    The error of each value is bounded relative to the sum of the absolute values of its terms: a layer adds n_in + 8
    roundings, folding three more to each weight.
    """
    with minidnn.use_backend("reference"):
        wide = minidnn.models.registry.build(minidnn.models.registry.describe(model)).eval()
        wide.load_state_dict(model.state_dict())
        for tensor in wide.tensors().values():
            tensor.data = tensor.data.astype(np.float64)
        return wide(x.astype(np.float64)).data, magnitude(wide, np.abs(x.astype(np.float64)))


def magnitude(layer, size):
    """A bound of the rounding errors in units of EPS: the layer's output with absolute values of all terms."""
    if isinstance(layer, nn.Sequential):
        for part in layer:
            size = magnitude(part, size)
        return size
    if isinstance(layer, nn.Residual):
        return size + magnitude(layer.block, size)
    if isinstance(layer, nn.Dense):
        return (layer.n_in + 8) * (size @ np.abs(layer.kernel.data) + np.abs(layer.bias.data))
    if isinstance(layer, nn.BatchNorm):
        scale = np.abs(layer.gamma.data) / np.sqrt(layer.running_var.data + layer.eps)
        return 8 * ((size + np.abs(layer.running_mean.data)) * scale + np.abs(layer.beta.data))
    return 4 * size  # no activation here is steeper than 1


@pytest.mark.parametrize("name", FOLDED)
def test_folded_outputs_are_within_the_derived_bound(name):
    model = trained(FOLDED[name]())
    exact, bound = in_float64(model, X)
    for sparse in (False, True):
        apart = np.abs(deploy.compile(model, sparse=sparse).predict(X) - exact)
        assert (apart <= EPS * bound).all()
        assert apart.max() < 1e-4  # the bound is loose: this catches a wrong fold


def test_folded_layers_are_not_in_the_report():
    report = deploy.compile(trained(FOLDED["batch norm after"]())).describe()
    assert "dense, elu" in report and "affine" not in report and len(report.splitlines()) == 4
    assert "affine" in deploy.compile(trained(FOLDED["batch norm alone"]())).describe()


def test_a_residual_keeps_the_value_that_a_batch_norm_reads():
    model = trained(FOLDED["batch norm around a skip"]())
    np.testing.assert_allclose(deploy.compile(model).predict(X), model(X).data, rtol=1e-4, atol=1e-5)


def test_the_reference_runs_the_same_program():
    model = trained(plain("elu"))
    for dtype in ("float32", "bfloat16", "int8"):
        compiled = deploy.compile(model, dtype=dtype, calibration=X).predict(X)
        with minidnn.use_backend("reference"):
            np.testing.assert_allclose(
                deploy.compile(model, dtype=dtype, calibration=X).predict(X), compiled, rtol=1e-4, atol=1e-2
            )


@pytest.mark.compiled
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_dense_and_sparse_give_the_same_bytes_at_every_thread_count(dtype):
    minidnn.manual_seed(2)
    model = nn.Sequential(nn.Dense(300, 200, "relu"), nn.Dense(200, 200, "elu"), nn.Dense(200, 10))
    for parameter in model.parameters():
        parameter.data[np.random.default_rng(1).random(parameter.shape) < 0.8] = 0
    x = minidnn.Generator(5).normal((300, 300))
    results = set()
    for sparse in (False, True):
        compiled = deploy.compile(model, sparse=sparse, dtype=dtype, calibration=x)
        for threads in (1, 2, 3, 7):
            kernels.set_num_threads(threads)
            results.add(compiled.predict(x).tobytes())
        results.add(b"".join(compiled.predict(x[i : i + 1]).tobytes() for i in range(300)))
        results.add(b"".join(compiled.predict(x[i : i + 20]).tobytes() for i in range(0, 300, 20)))
    assert len(results) == 1


@pytest.mark.compiled
@pytest.mark.parametrize("batch_size", [1, 3, 20])
def test_storage_is_chosen_for_the_calibration_examples(batch_size, monkeypatch):
    """The sparse form takes as long as the dense one with half of its inputs 0."""
    model = nn.Sequential(nn.Dense(40, 40, "relu"), nn.Dense(40, 40))
    for layer in model:
        layer.kernel.data[...] = np.where(np.random.default_rng(4).random((40, 40)) < 0.5, 0.1, 0)
    model[0].bias.data[:30] = -100  # three quarters of the second layer's inputs are 0
    timed = []

    def seconds(engine, x):
        timed.append(x)
        return np.count_nonzero(x) / x.size if len(timed) % 2 else 0.5  # dense and sparse in turn

    monkeypatch.setattr(compiling, "_seconds", seconds)
    full = np.random.default_rng(5).random((11, 40)).astype(np.float32) + 1
    images = np.where(np.arange(40) % 5 == 0, full, 0)
    forms = [
        re.findall("dense float32|sparse", deploy.compile(model, calibration=x, batch_size=batch_size).describe())
        for x in (None, full, images)
    ]
    dense = "dense float32"
    assert forms == [[dense, dense], ["sparse", dense], [dense, dense]]  # without examples: much slower on images
    assert {x.shape for x in timed} == {(batch_size, 40)}


@pytest.mark.compiled
@pytest.mark.parametrize(("seconds_sparse", "form"), [(0.1, "sparse"), (0.3, "dense float32"), (1.2, "dense float32")])
def test_without_examples_sparse_weights_must_not_be_slower_on_either_kind_of_input(seconds_sparse, form, monkeypatch):
    """The dense form takes 1 second without zeros and about 0.2 if four fifths of the inputs are zeros."""
    model = nn.Sequential(nn.Dense(400, 40))
    deploy.prune(model, fraction=0.9, scope="global")
    timed = []

    def seconds(engine, x):
        timed.append(x)
        return np.count_nonzero(x) / x.size if len(timed) % 2 else seconds_sparse

    monkeypatch.setattr(compiling, "_seconds", seconds)
    assert re.findall("dense float32|sparse", deploy.compile(model).describe()) == [form]


def test_predict_from_many_threads_at_once():
    model = trained(plain())
    compiled = deploy.compile(model)
    rng = np.random.default_rng(1)
    batches = [rng.standard_normal((n, 20)).astype(np.float32) for n in (1, 3, 16, 100, 260, 1)]
    alone = [compiled.predict(batch).tobytes() for batch in batches]
    wrong = []

    def work(start):
        for i in range(60):
            place = (start + i) % len(batches)
            if compiled.predict(batches[place]).tobytes() != alone[place]:
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_bfloat16_is_the_nearest():
    from minidnn.deploy.weights import to_bfloat16

    x = np.array([1.0, 1 + 2**-8, 1 + 2**-7, 1 + 3 * 2**-8, -1 - 2**-8 - 2**-20, 3.4028235e38, 0.0, -0.0], np.float32)
    nearest = (to_bfloat16(x).astype(np.uint32) << 16).view(np.float32)
    largest = np.array([0x7F7F0000], np.uint32).view(np.float32)[0]
    wanted = np.array([1.0, 1.0, 1 + 2**-7, 1 + 2**-6, -1 - 2**-7, largest, 0.0, -0.0], np.float32)
    assert nearest.tobytes() == wanted.tobytes()


def test_int8_reports_its_loss_on_real_digits():
    mnist = minidnn.data.load_mnist()
    minidnn.manual_seed(1)
    model = nn.Sequential(nn.Dense(784, 60, "relu"), nn.Dense(60, 10))
    optimizer = minidnn.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    minidnn.training.fit(model, mnist.train[:10000], optimizer=optimizer, epochs=1, batch_size=50)
    compiled = deploy.compile(model, dtype="int8", calibration=mnist.train.x[:1000])
    assert compiled.loss is not None and 0 < compiled.loss.mean < 0.1 and compiled.loss.changed < 0.02
    assert re.search(r"class changed for \d\.\d\d% of the 1,000 calibration examples", compiled.describe())
    ours = compiled.predict(mnist.test.x).argmax(axis=1)
    theirs = minidnn.training.predict(model, mnist.test.images).argmax(axis=1)
    assert (ours != theirs).mean() < 0.01
    assert compiled.nbytes < 0.26 * deploy.compile(model).nbytes


def test_activations_are_only_swapped_on_request():
    model = trained(plain("elu"))
    swapped = trained(plain("relu"))
    swapped.load_state_dict(model.state_dict())
    assert deploy.compile(model, swap={"elu": "relu"}).predict(X).tobytes() == swapped(X).data.tobytes()
    with pytest.raises(ValueError, match="swap must name activations among"):
        deploy.compile(model, swap={"elu": "rleu"})


def test_weights_are_copied():
    model = trained(plain())
    compiled = deploy.compile(model)
    before = compiled.predict(X).tobytes()
    model.layers[0].kernel.data[...] = 0
    assert compiled.predict(X).tobytes() == before


class Own(nn.Module):
    """Runs an op that the engine does not support."""

    def forward(self, x):
        return ops.exp(x)


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        ("no model", {}, TypeError, "model must be a Module, got str"),
        (nn.Sequential(nn.Dense(3, 2), Own()), {}, TypeError, "op exp of 1, a Own cannot be compiled: the engine"),
        (nn.Sequential(nn.Dense(3, 2, abs)), {}, TypeError, "op abs of 0, a Dense cannot be compiled"),
        (nn.Sequential(nn.ReLU()), {}, ValueError, "no layer of the model has a number of inputs; give input_shape"),
        (
            nn.Sequential(nn.Dense(3, 2), nn.Dense(3, 2)),
            {},
            ValueError,
            r"Dense: x has shape \(2, 2\), must be \(batch, 3\)",
        ),
        (nn.Residual(nn.Dense(3, 2)), {}, ValueError, r"its block turns shape \(2, 3\) into \(2, 2\)"),
        (nn.Dense(3, 2), {"dtype": "float16"}, ValueError, "dtype must be one of float32, bfloat16, int8"),
        (nn.Dense(3, 2), {"dtype": "int8"}, ValueError, "needs calibration examples"),
        (nn.Dense(3, 2), {"sparse": "yes"}, ValueError, "sparse must be True, False or 'auto'"),
        (nn.Dense(3, 2), {"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        (nn.Dense(3, 2), {"calibration": X}, ValueError, r"calibration has shape \(37, 20\), must be \(batch, 3\)"),
        (nn.Dense(3, 2), {"calibration": X[:0, :3]}, ValueError, "calibration has no examples"),
        (nn.Dense(3, 2), {"dtype": "int8", "calibration": X[:, :3] * np.inf}, ValueError, "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_compile_refuses(model, options, error, message):
    with pytest.raises(error, match=f"compile: .*{message}"):
        deploy.compile(model, **options)


def test_weights_must_be_finite():
    layer = nn.Dense(3, 2, name="outputs")
    layer.kernel.data[1, 1] = np.inf
    with pytest.raises(ValueError, match="compile: Dense 'outputs': kernel has numbers that are not finite"):
        deploy.compile(layer)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dense.kernel", 1e39),
        ("dense.bias", -1e39),
        ("slopes.slopes", 1e39),
        ("scale.gamma", 1e39),
        ("scale.running_var", -1.0),
        ("rows.beta", 1e39),
        ("rows.gamma", np.nan),
    ],
)
def test_numbers_that_float32_cannot_hold_are_refused(path, value):
    model = nn.Sequential(
        nn.Dense(3, 2, name="dense"),
        nn.PReLU(2, name="slopes"),
        nn.BatchNorm(2, name="scale"),
        nn.LayerNorm(2, name="rows"),
    )
    tensor = model.tensors()[path]
    tensor.data = np.full(tensor.shape, value)  # float64
    layer = path.split(".")[0]
    with pytest.raises(
        ValueError, match=f"compile: layer '{layer}' has numbers that are not finite, or too large for "
    ):
        deploy.compile(model)


def test_folded_weights_too_large_for_float32_are_refused():
    model = nn.Sequential(nn.Dense(3, 2, name="dense"), nn.BatchNorm(2))
    for tensor in (model[0].kernel, model[1].gamma):
        tensor.data = np.full(tensor.shape, 1e300)
    with pytest.raises(
        ValueError, match="compile: layer 'dense' has numbers that are not finite, or too large for flo"
    ):
        deploy.compile(model)


def test_predict_takes_bytes_and_float64_and_strides():
    compiled = deploy.compile(trained(plain()))
    images = np.arange(40, dtype=np.uint8).reshape(2, 20)
    expected = compiled.predict(images.astype(np.float32) / np.float32(255)).tobytes()
    assert compiled.predict(images).tobytes() == expected
    assert compiled.predict(np.repeat(X, 2, axis=1)[:, ::2]).tobytes() == compiled.predict(X).tobytes()
    assert compiled(X.astype(np.float64).tolist()).tobytes() == compiled.predict(X).tobytes()
    assert compiled.predict(X[:0]).shape == (0, 4)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X[0], ValueError, r"x has shape \(20,\), must be \(batch, 20\)"),
        (X[:, :19], ValueError, r"x has shape \(37, 19\)"),
        (X.astype(complex), TypeError, "x must be numbers, got an array of complex128"),
        ("x", TypeError, "x must be numbers"),
    ],
)
def test_predict_refuses(x, error, message):
    with pytest.raises(error, match=f"predict: {message}"):
        deploy.compile(plain()).predict(x)


@pytest.mark.compiled
def test_predict_refuses_a_bad_out():
    compiled = deploy.compile(plain())
    for out, error, message in [
        (np.empty((37, 5), np.float32), ValueError, r"out has shape \(37, 5\), must be \(37, 4\)"),
        (np.empty((37, 4)), TypeError, "out must be a float32 array, got an array of float64"),
        (X[:, :4], ValueError, "out must be C-contiguous"),
    ]:
        with pytest.raises(error, match=f"predict: {message}"):
            compiled.predict(X, out=out)
    square = deploy.compile(nn.Dense(20, 20))
    x = X.copy()
    with pytest.raises(ValueError, match="predict: x and out overlap"):
        square.predict(x, out=x)
