"""A .keras file of a stranger: no code, and no more memory than it has weights."""

from __future__ import annotations

import io
import json
import resource
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from torch2keras.errors import InputError, UnsafeFileError
from torch2keras.keras_model.model_file import open_model


def save(path: Path, *made: layers.Layer) -> Path:
    x = inputs = keras.Input((12, 3))
    for layer in made:
        x = layer(x)
    keras.Model(inputs, x).save(path)
    return path


def change_config(path: Path, old: str, new: str) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = members["config.json"].decode()
    assert old in text
    members["config.json"] = text.replace(old, new).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [layers.Conv1D(5, 3), layers.BatchNormalization(), layers.Dense(7)],
        lambda: [layers.Bidirectional(layers.LSTM(5, return_sequences=True)), layers.GRU(3)],
        lambda: [layers.Dense(7, dtype="mixed_bfloat16"), layers.LayerNormalization()],
        lambda: [layers.Dense(7, dtype="bfloat16"), layers.Dropout(0.3)],
        lambda: [layers.SeparableConv1D(5, 3), layers.Dense(3, dtype="float64")],
        lambda: [layers.Flatten()],
    ],
)
def test_models_that_keras_saved_are_opened(tmp_path: Path, make) -> None:
    path = save(tmp_path / "a.keras", *make())
    x = np.ones((2, 12, 3), "float32")
    theirs = np.asarray(keras.saving.load_model(path)(x), "float32")
    assert np.asarray(open_model(path)(x), "float32") == pytest.approx(theirs)


def test_an_optimizer_is_opened_where_it_is_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path / "a.keras", layers.Flatten(), layers.Dense(1))
    model = keras.saving.load_model(path)
    model.compile("adam", "mse")
    model.fit(np.ones((8, 12, 3)), np.ones((8, 1)), verbose=0)
    model.save(path)
    assert open_model(path, compiled=True).optimizer.iterations == 1
    assert getattr(open_model(path), "optimizer", None) is None


def test_code_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.keras", layers.Lambda(lambda v: v * 2))
    with pytest.raises(UnsafeFileError, match="holds code"):
        open_model(path)


@pytest.mark.parametrize("units", [10**6, 10**9, 2**40, 2**70])
def test_sizes_that_the_file_has_no_weights_for_are_refused(tmp_path: Path, units: int) -> None:
    path = save(tmp_path / "a.keras", layers.Dense(7), layers.Dense(11))
    change_config(path, '"units": 7', f'"units": {units}')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="cannot read the Keras model") as error:
        open_model(path)
    assert "more weights than it has" in str(error.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 10**5  # kilobytes


def test_packed_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps({"zeros": "0" * 10**6}))
    with pytest.raises(InputError, match="packed"):
        open_model(path)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    path.write_text("nothing")
    for file in (path, tmp_path, tmp_path / "none.keras"):
        with pytest.raises(InputError, match="cannot read the Keras model"):
            open_model(file)
    save(path, layers.Dense(3))
    before = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(before) as archive:
        layer = json.loads(archive.read("config.json"))["config"]["layers"][1]
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps(layer).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(InputError, match="cannot read"):
        open_model(path)
