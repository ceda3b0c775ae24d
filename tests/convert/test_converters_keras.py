"""Converted models of Keras 3 give its predictions; the tests need Keras."""

import numpy as np
import pytest
from kit.other_libraries import WORDS, X, library, same

from minidnn import convert, nn
from minidnn.convert import ConversionError


def keras_models(keras):
    k = keras.layers
    yield [k.Dense(5, "relu"), k.Dense(3, "softmax", use_bias=False)], ["Dense", "Dense", "Softmax"]
    yield (
        [
            k.Flatten(), k.Dense(5), k.BatchNormalization(momentum=0.8, epsilon=0.01), k.Activation("elu"),
            k.Dropout(0.2), keras.Sequential([k.Dense(4), k.LeakyReLU(0.3), k.LayerNormalization(epsilon=0.1)]),
            k.ReLU(), k.PReLU(),
            k.ELU(0.5), k.ReLU(negative_slope=0.25), k.AlphaDropout(0.1), k.Softmax(),
        ],
        ["Flatten", "Dense", "BatchNorm", "ELU", "Dropout", "Dense", "LeakyReLU", "LayerNorm", "ReLU", "PReLU", "ELU",
         "LeakyReLU", "AlphaDropout", "Softmax"],
    )  # fmt: skip
    for activation in ("elu", "selu", "tanh", "sigmoid", "softplus", "linear"):
        yield [k.Dense(4, activation)], ["Dense"]
    yield [k.Dense(4, "leaky_relu"), k.Dense(4, "log_softmax")], ["Dense", "LeakyReLU", "Dense", "LogSoftmax"]
    yield (
        [k.BatchNormalization(center=False, scale=False), k.LayerNormalization(center=False)],
        ["BatchNorm", "LayerNorm"],
    )


def adapted(keras, axis=-1):
    layer = keras.layers.Normalization(axis=axis)
    layer.adapt(np.column_stack([X[:, :5] * 3 + 1, np.full(20, 2.0, np.float32)]) if axis else X)
    return layer


@pytest.mark.filterwarnings("ignore")
def test_preprocessing_embedding_and_normalization_layers_of_keras():
    keras = library("keras")
    k = keras.layers
    for layers, kinds in [
        ([adapted(keras), k.Dense(3, "gelu")], ["Normalization", "Dense"]),
        ([adapted(keras, None), k.Dense(3, "silu")], ["Rescaling", "Dense"]),
        ([k.Rescaling(1 / 255, -0.5), k.GaussianNoise(0.1), k.Dense(3)], ["Rescaling", "GaussianNoise", "Dense"]),
        ([k.Reshape((3, 2)), k.Reshape((-1,)), k.Dense(3)], ["Reshape", "Reshape", "Dense"]),
        ([k.GroupNormalization(3, epsilon=0.01), k.RMSNormalization()], ["GroupNorm", "RMSNorm"]),
    ]:
        theirs = keras.Sequential([keras.Input((6,)), *layers])
        randomized_keras(theirs, but=("mean", "variance", "count"))
        ours = convert.from_keras(theirs)
        assert [type(layer).__name__ for layer in ours] == kinds
        same(ours(X), keras.ops.convert_to_numpy(theirs(X, training=False)))
    blank = nn.Sequential(nn.Normalization(6), nn.Dense(6, 3, "gelu")).eval()
    theirs = keras.Sequential([keras.Input((6,)), adapted(keras), k.Dense(3, "gelu")])
    same(convert.from_keras(theirs, blank)(X), keras.ops.convert_to_numpy(theirs(X, training=False)))
    theirs = keras.Sequential([keras.Input((3,)), k.Embedding(8, 4, name="words"), k.Flatten(), k.Dense(2)])
    expected = keras.ops.convert_to_numpy(theirs(WORDS))
    ours = convert.from_keras(theirs)
    assert [type(layer).__name__ for layer in ours] == ["Embedding", "Flatten", "Dense"]
    same(ours(WORDS), expected)
    ours[0].kernel.data = np.zeros_like(ours[0].kernel.data)
    same(convert.from_keras(theirs, ours)(WORDS), expected)


def randomized_keras(model, but=()):
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if weight.name in but:
            continue
        values = rng.uniform(0.5, 1, weight.shape) if "var" in weight.path else rng.normal(size=weight.shape)
        weight.assign(values)
    return model


@pytest.mark.filterwarnings("ignore")
def test_models_of_keras():
    keras = library("keras")
    for layers, kinds in keras_models(keras):
        sequential = randomized_keras(keras.Sequential([keras.Input((6,)), *layers]))
        expected = np.asarray(keras.ops.convert_to_numpy(sequential(X, training=False)))
        for theirs in (sequential, keras.Model(sequential.inputs, sequential.outputs)):
            ours = convert.from_keras(theirs)
            assert [type(layer).__name__ for layer in ours] == kinds
            same(ours(X), expected)


@pytest.mark.filterwarnings("ignore")
def test_weights_of_a_keras_model_that_branches():
    keras = library("keras")
    k = keras.layers
    x = keras.Input((6,))
    hidden = k.Dense(6, "tanh", name="h")(k.Dropout(0.5)(x))
    y = k.Dense(2, use_bias=False, name="top")(k.BatchNormalization(scale=False, name="bn")(k.Add()([x, hidden])))
    theirs = randomized_keras(keras.Model(x, y))
    expected = np.asarray(keras.ops.convert_to_numpy(theirs(X, training=False)))
    for names in (None, {"h": "0.block", "bn": "1"}):
        ours = nn.Sequential(nn.Residual(nn.Dense(6, 6, "tanh")), nn.BatchNorm(6), nn.Dense(6, 2, name="top")).eval()
        assert convert.from_keras(theirs, ours, names) is ours
        same(ours(X), expected)
    with pytest.raises(ConversionError, match=r"into does not fit: 2\.kernel has shape \(6, 2\), must have \(6, 3\)"):
        convert.from_keras(theirs, nn.Sequential(*ours[:2], nn.Dense(6, 3)))


@pytest.mark.filterwarnings("ignore")
def test_unsupported_layers_of_keras_are_refused():
    keras = library("keras")
    k = keras.layers

    def model(*layers):
        return keras.Sequential([keras.Input((6,)), *layers])

    x = keras.Input((6,))
    left = k.Dense(3)(x)
    branching = keras.Model(x, k.Add()([left, k.Dense(3)(x)]))
    for theirs, message in [
        (model(k.Dense(3, "sparsemax")), "activation sparsemax is not supported"),
        (model(k.Dense(3, lambda x: x)), "activation <lambda> is not supported"),
        (model(k.UnitNormalization()), "is a UnitNormalization, which is not supported"),
        (model(k.Normalization(mean=0.5, variance=2.0, invert=True)), "invert is not supported"),
        (keras.Sequential([keras.Input((2, 6)), k.Normalization(mean=0.5, variance=2.0)]), "must be the last of two"),
        (model(k.Rescaling([0.1] * 6)), "scale and offset must be numbers"),
        (keras.Sequential([k.Embedding(5, 2)]), "not built"),
        (model(k.ReLU(max_value=6.0)), "max_value and threshold are not supported"),
        (model(k.Softmax(axis=0)), "axis is 0"),
        (keras.Sequential([k.Dense(3)]), "not built"),
        (branching, "the model is not a chain"),
    ]:
        with pytest.raises(ConversionError, match=message):
            convert.from_keras(theirs)
    with pytest.raises(TypeError, match=r"model must be a keras\.Sequential or a functional Model, got int"):
        convert.from_keras(3)
