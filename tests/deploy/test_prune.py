"""Pruning after training."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import minidnn
from minidnn import deploy, nn


def network(*kernels):
    """A network of one layer for each kernel, named a, b, ..."""
    layers = []
    for name, kernel in zip("abcdef", kernels, strict=False):
        kernel = np.asarray(kernel, np.float32)
        layer = nn.Dense(*kernel.shape, bias_initializer="ones", name=name)
        layer.kernel.data[...] = kernel
        layers.append(layer)
    return nn.Sequential(*layers)


def zeros(model):
    return [np.count_nonzero(layer.kernel.data == 0) for layer in model]


def test_fraction_of_each_layer():
    model = network([[1, -2, 3, -4]], [[10], [20], [-30], [40]])
    report = deploy.prune(model, fraction=0.5)
    assert model[0].kernel.data.tolist() == [[0, 0, 3, -4]]
    assert model[1].kernel.data.ravel().tolist() == [0, 0, -30, 40]
    assert [(row.path, row.size, row.zeros, row.density) for row in report.layers] == [
        ("a.kernel", 4, 2, 0.5),
        ("b.kernel", 4, 2, 0.5),
    ]
    assert (report.size, report.zeros, report.density) == (8, 4, 0.5) and deploy.density(model) == 0.5
    assert all(np.all(layer.bias.data == 1) for layer in model)


def test_fraction_of_all_layers_together():
    model = network([[1, -2, 3, -4]], [[10], [20], [-30], [4]])
    report = deploy.prune(model, fraction=5 / 8, scope="global")
    assert model[0].kernel.data.tolist() == [[0, 0, 0, 0]]
    assert model[1].kernel.data.ravel().tolist() == [10, 20, -30, 0] and report.zeros == 5


def test_weights_equal_to_the_threshold_are_kept():
    model = network([[0.5, -0.5, 0.25, -1, 0]])
    assert deploy.prune(model, threshold=0.5).zeros == 2
    assert model[0].kernel.data.tolist() == [[0.5, -0.5, 0, -1, 0]]
    assert deploy.prune(model, threshold=0).zeros == 2


@given(
    arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([-2, -1, 0, 1, 2])),
    st.floats(0, 1),
    st.sampled_from(["layer", "global"]),
)
def test_the_fraction_is_met_exactly_with_any_ties(kernel, fraction, scope):
    model = network(kernel)
    before = model[0].kernel.data.copy()
    deploy.prune(model, fraction=fraction, scope=scope)
    after = model[0].kernel.data
    wanted = round(fraction * kernel.size)
    assert np.count_nonzero(after == 0) == max(wanted, np.count_nonzero(before == 0))
    gone = (after == 0) & (before != 0)
    assert np.all(after[~gone] == before[~gone]) and not np.any(np.signbit(after[gone]))
    if gone.any() and (after != 0).any():
        assert np.abs(before[gone]).max() <= np.abs(after[after != 0]).min()


def test_fractions_of_0_and_1_and_layers_of_zeros():
    model = network([[1, 2], [3, 4]], [[0], [0]])
    assert deploy.prune(model, fraction=0).zeros == 2
    assert deploy.prune(model, fraction=0.25).zeros == 3
    assert deploy.prune(model, fraction=1).density == 0
    assert deploy.prune(model, fraction=0.5, scope="global").density == 0


def test_layers_and_parameters_by_path():
    inner = network([[1, 2]], [[1], [2]])
    model = nn.Sequential(inner, nn.Dense(1, 2, name="out"))
    model[1].bias.data[...] = 3, 4
    report = deploy.prune(model, fraction=0.5, layers=["out.bias", "0.b"])
    assert [row.path for row in report.layers] == ["out.bias", "0.b.kernel"]
    assert model[1].bias.data.tolist() == [0, 4] and zeros(inner) == [0, 1]


def test_a_single_layer_is_a_model():
    layer = nn.Dense(4, 5)
    assert str(deploy.prune(layer, fraction=0.75)).splitlines()[1:] == [
        "kernel    20     15   25.00%",
        "all       20     15   25.00%",
    ]


def test_a_shared_kernel_counts_once():
    layer = nn.Dense(3, 3)
    assert deploy.sparsity(nn.Sequential(layer, layer)).size == 9


def test_backward_after_pruning_is_refused():
    model = network([[1, 2], [3, 4]])
    y = model(np.ones((1, 2), np.float32)).sum()
    deploy.prune(model, fraction=0.01)
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


def test_a_saved_model_keeps_its_zeros(tmp_path):
    model = network([[1, 2], [3, 4]])
    deploy.prune(model, fraction=0.5)
    minidnn.save(model, tmp_path / "m.safetensors")
    assert deploy.density(minidnn.load(tmp_path / "m.safetensors")) == 0.5


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, ValueError, "give either threshold or fraction"),
        ({"threshold": 0.1, "fraction": 0.1}, ValueError, "give either threshold or fraction"),
        ({"fraction": 1.01}, ValueError, r"fraction must be in \[0, 1\], got 1.01"),
        ({"fraction": math.nan}, ValueError, "fraction must be"),
        ({"fraction": "half"}, TypeError, "fraction must be a number, got str"),
        ({"threshold": -1}, ValueError, "threshold must be"),
        ({"threshold": math.inf}, ValueError, "threshold must be finite"),
        ({"fraction": 0.5, "scope": "all"}, ValueError, "scope must be 'layer' or 'global', got 'all'"),
        ({"fraction": 0.5, "layers": ["c"]}, ValueError, "no kernel in 'c'; there are a.kernel, b.kernel"),
        ({"fraction": 0.5, "layers": "a"}, TypeError, "layers must be a list of paths, got 'a'"),
        ({"fraction": 0.5, "layers": []}, ValueError, "nothing to prune: layers is empty"),
    ],
)
def test_invalid_arguments_are_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        deploy.prune(network([[1, 2]], [[1], [2]]), **options)


def test_nan_is_refused_before_anything_changes():
    model = network([[1, 2]], [[1], [math.nan]])
    with pytest.raises(ValueError, match=r"prune: b.kernel holds NaN"):
        deploy.prune(model, fraction=1)
    assert zeros(model) == [0, 0]
    with pytest.raises(ValueError, match="nothing to prune: the model has no kernel"):
        deploy.density(nn.ReLU())
