"""A model remembers the meaning of its inputs: frames are read by column names, other data are refused."""

import copy

import numpy as np
import pytest

import minidnn
from minidnn import data, models, nn, optim, training

pandas = pytest.importorskip("pandas")
rng = np.random.default_rng(4)
DF = pandas.DataFrame({"a": rng.normal(size=60), "b": 100 + 10 * rng.normal(size=60), "c": rng.normal(size=60)})
Y = (DF["a"] - 0.05 * DF["b"]).to_numpy()
OTHER = DF[["c", "a", "b"]]


def fit(model, *given, **options):
    optimizer = optim.Adam(model.parameters(), 0.01)
    return training.fit(
        model, *given, loss=nn.mean_squared_error, optimizer=optimizer, epochs=3, batch_size=20, progress=False,
        **options,
    )  # fmt: skip


def trained(*given, n_in=3, **options):
    minidnn.manual_seed(0)
    model = nn.Sequential(nn.Dense(n_in, 1))
    fit(model, *(given or (DF, Y)), **options)
    return model


@pytest.mark.parametrize("again", [lambda model, path: model, lambda model, path: copy.deepcopy(model), "saved"])
def test_a_frame_is_read_by_names(again, tmp_path):
    model = trained()
    if again == "saved":
        minidnn.save(model, tmp_path / "m.safetensors")
        model = minidnn.load(tmp_path / "m.safetensors")
    else:
        model = again(model, tmp_path)
    wanted = training.predict(model, DF.to_numpy())
    assert np.array_equal(training.predict(model, DF), wanted)
    assert np.array_equal(training.predict(model, OTHER), wanted)
    assert np.array_equal(training.predict(model, (OTHER, Y)), wanted)
    result = training.evaluate(model, (DF.to_numpy(), Y), nn.mean_squared_error)
    assert training.evaluate(model, (OTHER, Y), nn.mean_squared_error) == result
    assert np.array_equal(training.report(model, (OTHER, Y)).values, training.report(model, (DF, Y)).values)


def test_validation_data_are_read_by_names_too():
    histories = []
    for valid in (DF, OTHER):
        minidnn.manual_seed(0)
        histories.append(fit(nn.Sequential(nn.Dense(3, 1)), DF, Y, valid=(valid, Y))["valid_loss"])
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    ("df", "message"),
    [
        (DF[["a", "b"]], "df has no column 'c', which the model has"),
        (DF.assign(d=1.0), "'d', which the model does not"),
    ],
)
def test_missing_and_unknown_columns_are_named(df, message):
    model = trained()
    for call in (
        lambda: training.predict(model, df),
        lambda: training.evaluate(model, (df, Y), nn.mean_squared_error),
        lambda: fit(model, DF, Y, valid=(df, Y)),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_a_raw_frame_goes_through_categories_and_standardization():
    df = DF.assign(port=["xyz"[i % 3] for i in range(60)], y=Y)
    table = data.from_frame(df, "y", categories=["port"])
    scale = data.Standardize(table)
    model = trained(scale(table), n_in=6)
    wanted = training.predict(model, scale(table).inputs)
    assert np.allclose(training.predict(model, df[["port", "c", "a", "y", "b"]]), wanted)
    with pytest.raises(ValueError, match="standardized"):
        training.evaluate(model, table, nn.mean_squared_error)
    with pytest.raises(ValueError, match="standardized"):
        training.predict(model, table)
    with pytest.raises(ValueError, match="standardized"):
        fit(nn.Sequential(nn.Dense(6, 1)), scale(table), valid=table)


def test_a_data_set_of_another_order_or_other_classes_is_refused():
    table = data.from_frame(DF.assign(y=Y), "y")
    other = data.from_frame(OTHER.assign(y=Y), "y")
    model = trained(table)
    before = model.state_dict()
    for call in (
        lambda: training.evaluate(model, other, nn.mean_squared_error),
        lambda: training.predict(model, other),
        lambda: fit(model, other),
        lambda: fit(model, OTHER, Y),
    ):
        with pytest.raises(ValueError, match=r"different columns|another order"):
            call()
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
    new = DF.rename(columns={"c": "d"})  # other inputs altogether are another task
    fit(model, new, Y)
    assert model.meaning.columns == ("a", "b", "d")


def test_a_file_stores_the_meaning_of_the_training_data(tmp_path):
    path = tmp_path / "m.safetensors"
    table = data.from_frame(DF.assign(kind=["cat", "emu"] * 30), "kind")
    model = nn.Sequential(nn.Dense(3, 2))
    training.fit(model, table, optimizer=optim.Adam(model.parameters()), epochs=1, batch_size=20, progress=False)
    minidnn.save(model, path)
    assert models.read_meaning(path) == table.meaning == minidnn.load(path).meaning
    minidnn.save(model, path, meaning=data.Meaning())
    assert minidnn.load(path).meaning is None
    others = data.from_frame(DF.assign(kind=["cat", "dog"] * 30), "kind")
    with pytest.raises(ValueError, match="different classes: cat, emu and cat, dog"):
        training.evaluate(model, others)


def test_arrays_without_a_meaning_are_accepted():
    model = trained(DF.to_numpy(), Y)
    assert model.meaning is None
    assert training.predict(model, OTHER).shape == (60, 1)
