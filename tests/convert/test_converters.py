"""Converted models give the predictions of the original; what is not supported is refused by name.

scikit-learn is always installed; tests with PyTorch need it (docs/zoo.md has the versions of the last run).
"""

import json
import warnings

import numpy as np
import pytest
from kit.other_libraries import WORDS, X, library, same
from safetensors.numpy import save_file

from minidnn import convert, nn
from minidnn.convert import ConversionError
from minidnn.models import CheckpointError

# scikit-learn


def fitted(kind, y, **options):
    pytest.importorskip("sklearn")
    from sklearn import neural_network

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few iterations do not converge
        return getattr(neural_network, kind)(hidden_layer_sizes=(7, 5), max_iter=20, random_state=0, **options).fit(
            X, y
        )


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_a_classifier_of_sklearn(activation):
    estimator = fitted("MLPClassifier", np.arange(20) % 3, activation=activation)
    model = convert.from_sklearn(estimator)
    same(model(X), estimator.predict_proba(X))
    assert [name for name, _ in model.children()] == ["hidden1", "hidden2", "outputs", "probabilities"]
    logits = model[:-1](X)
    assert np.array_equal(logits.data.argmax(1), estimator.predict(X))


def test_two_classes_and_several_labels_of_sklearn():
    two = fitted("MLPClassifier", np.arange(20) % 2)
    same(convert.from_sklearn(two)(X), two.predict_proba(X)[:, 1:])
    several = fitted("MLPClassifier", np.stack([np.arange(20) % 2, np.arange(20) % 3 == 0], axis=1))
    same(convert.from_sklearn(several)(X), several.predict_proba(X))


@pytest.mark.parametrize("columns", [1, 2])
def test_a_regressor_of_sklearn(columns):
    estimator = fitted("MLPRegressor", X[:, :columns] if columns > 1 else X[:, 0], activation="tanh")
    same(convert.from_sklearn(estimator)(X), estimator.predict(X).reshape(20, columns))


def test_other_and_unfitted_estimators_of_sklearn_are_refused():
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    with pytest.raises(TypeError, match="estimator must be an MLPClassifier or MLPRegressor, got LogisticRegression"):
        convert.from_sklearn(LogisticRegression())
    with pytest.raises(ConversionError, match="the MLPClassifier is not fitted yet"):
        convert.from_sklearn(MLPClassifier())


# safetensors


def network():
    hidden = nn.Dense(6, 4, "relu", name="hidden1")
    return nn.Sequential(hidden, nn.BatchNorm(4, name="norm"), nn.Dense(4, 2, name="out"))


def pytorch_file():
    """A model, its weights, and the tensors of a file with them as PyTorch would write it."""
    model = network()
    rng = np.random.default_rng(1)
    state = {path: rng.uniform(0.5, 1, a.shape).astype(np.float32) for path, a in model.state_dict().items()}
    file = {
        "fc1.weight": state["hidden1.kernel"].T.copy(),
        "fc1.bias": state["hidden1.bias"],
        "bn.weight": state["norm.gamma"],
        "bn.bias": state["norm.beta"],
        "bn.running_mean": state["norm.running_mean"],
        "bn.running_var": state["norm.running_var"],
        "bn.num_batches_tracked": np.array(7),
        "out.kernel": state["out.kernel"].T.copy(),
        "out.bias": state["out.bias"],
    }
    return model, state, file


NAMES = {
    "fc1.weight": "hidden1.kernel",
    "fc1.bias": "hidden1.bias",
    "bn.weight": "norm.gamma",
    "bn.bias": "norm.beta",
    "bn.running_mean": "norm.running_mean",
    "bn.running_var": "norm.running_var",
}
TRACKED = ("*.num_batches_tracked",)


@pytest.mark.parametrize("transpose", [True, ("fc?.weight", "out.kernel")])
def test_a_file_with_a_map_of_names(tmp_path, transpose):
    model, state, file = pytorch_file()
    path = tmp_path / "theirs.safetensors"
    save_file(file, path)
    for names in (NAMES, lambda name: NAMES.get(name, name)):
        model.load_state_dict({name: np.zeros_like(array) for name, array in state.items()})
        assert convert.from_safetensors(path, model, names, transpose, TRACKED) is model
        assert all(np.array_equal(model.state_dict()[name], array) for name, array in state.items())


def test_nothing_is_loaded_if_something_does_not_fit(tmp_path):
    model, _, file = pytorch_file()
    path = tmp_path / "theirs.safetensors"
    save_file(file, path)
    before = model.state_dict()
    for options, message in [
        ({"names": NAMES, "transpose": True}, "bn.num_batches_tracked is an array of int64, must be floating"),
        ({"names": NAMES, "ignore": TRACKED}, r"does not fit.*hidden1.kernel has shape \(4, 6\), must have \(6, 4\)"),
        ({"names": {**NAMES, "fc9.bias": "x"}, "ignore": TRACKED}, "holds no fc9.bias; it holds"),
        ({"names": {"fc1.bias": "out.bias"}, "ignore": TRACKED}, "two tensors map to out.bias"),
        ({"names": NAMES, "ignore": ("*.none",)}, r"ignore has '\*.none', which matches nothing"),
        ({"names": NAMES, "ignore": TRACKED, "transpose": ("*.none",)}, "transpose has"),
        ({"names": NAMES, "ignore": TRACKED, "transpose": ("*.bias",)}, r"bias has shape \(\d,\), only a matrix"),
        ({"ignore": TRACKED, "transpose": True}, "missing hidden1.kernel.*unexpected fc1.weight"),
    ]:
        with pytest.raises(ConversionError, match=message):
            convert.from_safetensors(path, model, **options)
        assert all(np.array_equal(model.state_dict()[name], array) for name, array in before.items())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="not a whole"):
        convert.from_safetensors(path, model)


def bytes_of(dtype, shape, data):
    """A ``.safetensors`` file of one tensor, written as the format's specification says."""
    header = json.dumps({"w": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    return len(header).to_bytes(8, "little") + header + data


def test_bfloat16_in_safetensors(tmp_path):
    path = tmp_path / "w.safetensors"
    numbers = {
        0x3F80: 1.0,
        0xC049: -3.140625,
        0x0001: 2.0**-133,
        0x7F7F: (2 - 2**-7) * 2.0**127,
        0x8000: -0.0,
        0x3DCD: 0.10009765625,
    }
    path.write_bytes(bytes_of("BF16", [2, 3], np.array(list(numbers), "<u2").tobytes()))
    expected = np.reshape(list(numbers.values()), (2, 3)).T.astype(np.float32)
    graph = nn.Graph([nn.Node("h", nn.Weight((3, 2)), [])], [])
    convert.from_safetensors(path, graph, {"w": "h.value"}, transpose=["w"])
    assert graph.state_dict()["h.value"].tobytes() == expected.tobytes()
    path.write_bytes(bytes_of("F8_E4M3", [2], b"ab"))
    with pytest.raises(CheckpointError, match="tensor 'w' is F8_E4M3, must be one of BF16, F16, F32"):
        convert.from_safetensors(path, graph)


# PyTorch


def torch_models(torch):
    t = torch.nn
    yield (
        t.Sequential(t.Linear(6, 5), t.ReLU(), t.Linear(5, 3, bias=False), t.Softmax(dim=-1)),
        ["Dense", "Dense", "Softmax"],
    )
    yield (
        t.Sequential(
            t.Flatten(), t.Linear(6, 5), t.BatchNorm1d(5, eps=0.01, momentum=0.3), t.ELU(0.7), t.Dropout(0.3),
            t.Sequential(t.Linear(5, 4), t.PReLU(), t.LayerNorm(4), t.LeakyReLU(0.1)), t.Identity(),
            t.Linear(4, 4), t.PReLU(4), t.RReLU(), t.AlphaDropout(0.1), t.LogSoftmax(1),
        ),
        ["Flatten", "Dense", "BatchNorm", "ELU", "Dropout", "Dense", "PReLU", "LayerNorm", "LeakyReLU", "Dense",
         "PReLU", "RReLU", "AlphaDropout", "LogSoftmax"],
    )  # fmt: skip
    for activation in (t.ELU(), t.SELU(), t.LeakyReLU(), t.Tanh(), t.Sigmoid(), t.Softplus()):
        yield t.Sequential(t.Linear(6, 5), activation), ["Dense"]
    for activation in (t.GELU(), t.GELU("tanh"), t.SiLU(), t.Mish(), t.Hardtanh(), t.ReLU6(), t.Hardswish(), t.CELU()):
        yield t.Sequential(t.Linear(6, 5), activation), ["Dense"]
    yield (
        t.Sequential(t.BatchNorm1d(6, affine=False), t.LayerNorm(6, elementwise_affine=False)),
        ["BatchNorm", "LayerNorm"],
    )


def torch_models_without_onnx(torch):
    """Models that PyTorch's exporter does not write in operator set 17."""
    t = torch.nn
    yield (
        t.Sequential(
            t.RMSNorm(6), t.GroupNorm(3, 6), t.Unflatten(1, (2, 3)), t.PReLU(), t.Flatten(), t.PReLU(),
            t.Linear(6, 4), t.Unflatten(-1, (2, -1)), t.Flatten(), t.RMSNorm(4, eps=0.1, elementwise_affine=False),
            t.GroupNorm(2, 4, affine=False),
        ),
        ["RMSNorm", "GroupNorm", "Reshape", "PReLU", "Flatten", "PReLU", "Dense", "Reshape", "Flatten", "RMSNorm",
         "GroupNorm"],
    )  # fmt: skip


def randomized(torch, model):
    torch.manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5 if "var" in name else torch.randn_like(tensor))
    return model.eval()


def test_sequentials_of_pytorch():
    torch = library("torch")
    for theirs, kinds in [*torch_models(torch), *torch_models_without_onnx(torch)]:
        randomized(torch, theirs)
        ours = convert.from_torch(theirs)
        assert [type(layer).__name__ for layer in ours] == kinds
        with torch.no_grad():
            same(ours(X), theirs(torch.from_numpy(X)).numpy())
    assert convert.from_torch(torch.nn.Sequential(torch.nn.BatchNorm1d(6, momentum=0.3)))[0].momentum == 0.7


def test_what_pytorch_writes_as_onnx_is_read(tmp_path):
    torch = library("torch")
    pytest.importorskip("onnx")

    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.Tanh())

        def forward(self, x):
            return torch.nn.functional.relu(x + self.inner(x))

    sequentials = [model for model, _ in torch_models(torch)]
    for theirs in (*sequentials, torch.nn.Sequential(Residual(), torch.nn.Linear(6, 3))):
        randomized(torch, theirs)
        x, path = torch.from_numpy(X), tmp_path / "theirs.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a newer exporter exists, which needs one more package
            options = {"opset_version": 17, "input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
            torch.onnx.export(theirs, (x[:2],), path, dynamo=False, **options)
        with torch.no_grad():
            same(convert.from_onnx(path)(X), theirs(x).numpy())


def test_embeddings_of_pytorch():
    torch = library("torch")
    t = torch.nn
    for theirs, kinds in [
        (
            t.Sequential(t.Embedding(8, 4, padding_idx=3), t.Flatten(), t.Linear(12, 2)),
            ["Embedding", "Flatten", "Dense"],
        ),
        (t.Sequential(t.EmbeddingBag(8, 4), t.Linear(4, 2)), ["EmbeddingBag", "Dense"]),
        (t.Sequential(t.EmbeddingBag(8, 4, mode="sum", padding_idx=3), t.PReLU()), ["EmbeddingBag", "PReLU"]),
    ]:
        randomized(torch, theirs)
        with torch.no_grad():
            expected = theirs(torch.from_numpy(WORDS)).numpy()
        ours = convert.from_torch(theirs)
        assert [type(layer).__name__ for layer in ours] == kinds and ours[0].padding == theirs[0].padding_idx
        same(ours(WORDS), expected)
        for tensor in ours.tensors().values():
            tensor.data = np.zeros_like(tensor.data)
        same(convert.from_torch(theirs.state_dict(), into=ours)(WORDS), expected)


def test_a_state_dict_of_pytorch():
    torch = library("torch")
    t = torch.nn
    layers = t.Linear(6, 4), t.ReLU(), t.BatchNorm1d(4, eps=1e-3), t.Linear(4, 4, bias=False), t.PReLU()
    theirs = randomized(torch, t.Sequential(*layers))
    with torch.no_grad():
        expected = theirs(torch.from_numpy(X)).numpy()
    for source in (theirs, theirs.state_dict()):
        for names in (None, {"0": "h", "2": "1", "3": "2", "4": "slopes"}):
            hidden, slopes = nn.Dense(6, 4, "relu", name="h"), nn.PReLU(4, name="slopes")
            ours = nn.Sequential(hidden, nn.BatchNorm(4), nn.Dense(4, 4), slopes).eval()
            assert convert.from_torch(source, ours, names) is ours
            same(ours(X), expected)
    half = convert.from_torch(theirs.to(torch.bfloat16).state_dict(), ours).state_dict()
    assert half["h.kernel"].dtype == np.float32


def test_unsupported_layers_of_pytorch_are_refused():
    torch = library("torch")
    t = torch.nn

    class Own(t.Linear):
        pass

    hooked = t.Linear(6, 2)
    hooked.register_forward_hook(lambda module, x, y: y + 1)
    for theirs, message in [
        (t.Sequential(t.Linear(6, 2), t.Threshold(0.1, 20)), r"layer 1 is Threshold\(.*\), which is not supported"),
        (t.Sequential(t.Conv1d(1, 1, 1)), "layer 0 is Conv1d"),
        (t.Sequential(Own(6, 2)), "layer 0 is Own"),
        (t.Sequential(hooked), "layer 0 is Linear"),
        (t.Sequential(t.Softplus(beta=2)), "beta must be 1"),
        (t.Sequential(t.Softplus(threshold=5)), "threshold must be from 18 to inf"),
        (t.Sequential(t.Hardtanh(-2, 1)), "min_val must be -1"),
        (t.Sequential(t.Embedding(5, 2, max_norm=1.0)), "max_norm and scale_grad_by_freq are not supported"),
        (t.Sequential(t.EmbeddingBag(5, 2, mode="max")), "mode must be 'sum' or 'mean'"),
        (t.Sequential(t.EmbeddingBag(5, 2, include_last_offset=True)), "include_last_offset False"),
        (t.Sequential(t.Unflatten(1, (2, -1))), "the sizes integers that are known"),
        (t.Sequential(t.Unflatten(2, (2, 1))), "dim must be 1 or -1"),
        (t.Sequential(t.RMSNorm((2, 3))), "normalized_shape must have one axis"),
        (t.Sequential(t.Embedding(5, 2), t.Flatten(), t.PReLU()), "the width of its input is unknown"),
        (t.Sequential(t.Softmax(dim=0)), "dim must be 1 or -1"),
        (t.Sequential(t.Flatten(0)), "start_dim must be 1"),
        (t.Sequential(t.PReLU()), "the width of its input is unknown"),
        (t.Sequential(t.BatchNorm1d(6, track_running_stats=False)), "without running statistics"),
        (t.Sequential(t.BatchNorm1d(6, momentum=None)), "a cumulative average"),
        (t.Sequential(t.LayerNorm((2, 3))), "normalized_shape must have one axis"),
        (t.Sequential(), "has no layers"),
    ]:
        with pytest.raises(ConversionError, match=message):
            convert.from_torch(theirs)
    with pytest.raises(TypeError, match=r"source must be a torch.nn.Sequential, got Linear; .*into=model"):
        convert.from_torch(t.Linear(6, 2))
    with pytest.raises(TypeError, match="got int"):
        convert.from_torch(3)


def test_a_state_dict_needs_no_pytorch():
    state = {"fc.weight": np.arange(12, dtype=np.float32).reshape(2, 6), "fc.bias": np.ones(2, np.float32)}
    model = convert.from_torch(state, into=nn.Sequential(nn.Dense(6, 2)))
    same(model(X), X @ state["fc.weight"].T + 1)
    for source, into, names, message in [
        (state, network(), None, r"weights for 1 layers \(fc\), the model has 3 \(hidden1, norm, out\); pair them"),
        (state, network(), {"fc": "none"}, "the model has no layer none for fc"),
        (state, network(), {"fc2": "out"}, "names has fc2, which has no weights in the source"),
        (state, network(), {"fc": "out"}, "missing hidden1.kernel"),
        ({"fc.weight_g": np.ones(2, np.float32)}, nn.Dense(6, 2), None, "fc.weight_g has no counterpart in"),
        ({"fc.weight": np.ones((2, 6), np.int64)}, nn.Dense(6, 2), None, "fc.weight is an array of int64"),
    ]:
        with pytest.raises(ConversionError, match=message):
            convert.from_torch(source, into, names)
    with pytest.raises(TypeError, match=r"from_torch\(state_dict, into=model\)"):
        convert.from_torch(state)
    with pytest.raises(TypeError, match=r"source must be a torch\.nn\.Module or a state_dict, got int"):
        convert.from_torch(3, into=nn.Dense(6, 2))
