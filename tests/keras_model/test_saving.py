from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import keras
import pytest
from keras.src.saving import saving_lib

from torch2keras.errors import OutputError
from torch2keras.keras_model.saving import FACTS_MEMBER, find_format, save_model, save_weights


class Model:
    """What save_model needs of one: it writes, and may fail on the way."""

    weights = ()

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def save(self, path: Path) -> None:
        Path(path).write_text("new", encoding="utf-8")
        if self.error:
            raise self.error


FULL = "No space left on device"


@pytest.mark.parametrize(
    "error", [None, OSError(28, FULL), RuntimeError(FULL), MemoryError(FULL), KeyboardInterrupt()]
)
def test_what_stood_there_is_replaced_only_by_a_complete_file(tmp_path, error) -> None:
    path = tmp_path / "model.keras"
    path.write_text("old", encoding="utf-8")
    if error is None:
        assert save_model(Model(), path) == path
    else:
        with pytest.raises(OutputError if isinstance(error, Exception) else type(error)) as raised:
            save_model(Model(error), path)
        assert isinstance(error, KeyboardInterrupt) or FULL in str(raised.value)
    assert path.read_text(encoding="utf-8") == ("old" if error else "new")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("model.h5", "name it model.keras"),
        ("there.safetensors", "is a folder"),
        ("missing/model.weights.h5", "does not exist"),
        ("there.keras", "is a folder"),
        ("missing/model.keras", "does not exist"),
        (f"{'x' * 300}.keras", "File name too long"),
        ("a\0.keras", "null byte"),
        ("pipe.keras", "is no file"),
    ],
)
def test_refused_before_anything_is_written(tmp_path, name, says) -> None:
    (tmp_path / "there.keras").mkdir()
    (tmp_path / "there.safetensors").mkdir()
    os.mkfifo(tmp_path / "pipe.keras")
    with pytest.raises(OutputError, match=says):
        save_model(Model(), tmp_path / name)
    left = ["pipe.keras", "there.keras", "there.safetensors"]
    assert sorted(p.name for p in tmp_path.iterdir()) == left


def test_a_model_comes_back(tmp_path) -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(5)(inputs))
    path = save_model(model, tmp_path / "model.keras")
    assert keras.saving.load_model(path, safe_mode=True).count_params() == 20


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_full_disk(tmp_path, monkeypatch, in_memory) -> None:
    """The weights go through memory or, where there is little, through a file of their own."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(5)(inputs))
    path = save_model(model, tmp_path / "model.keras")
    before = path.read_bytes()
    monkeypatch.setattr(saving_lib, "is_memory_sufficient", lambda _: in_memory)
    save_model(model, path)  # either way works
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError(28, FULL)

    monkeypatch.setattr("zipfile._ZipWriteFile.write", fail)
    with pytest.raises(OutputError, match="cannot write"):
        save_model(model, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_real_full_disk(tmp_path) -> None:
    """What the system says of a file that may not grow reaches the message."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    inputs = keras.Input((131,))
    model = keras.Model(inputs, keras.layers.Dense(1031)(inputs))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
        with pytest.raises(OutputError, match="File too large"):
            save_model(model, tmp_path / "model.keras")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_facts_stand_in_the_file_beside_the_model(tmp_path) -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(5)(inputs))
    path = save_model(model, tmp_path / "model.keras", {"limits": ("x.shape[0] <= 16",)})
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read(FACTS_MEMBER)) == {"limits": ["x.shape[0] <= 16"]}
    assert keras.saving.load_model(path, safe_mode=True).count_params() == 20


def test_the_format_is_told_by_the_name() -> None:
    kinds = {"a.weights.h5": "h5", "a.safetensors": "safetensors", "a.h5": None, "a.keras": None}
    assert {name: find_format(Path(name)) for name in kinds} == kinds


def test_weights_take_their_place_when_they_are_complete(tmp_path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_text("old", encoding="utf-8")

    def fail(place: Path) -> None:
        place.write_text("half", encoding="utf-8")
        raise OSError(28, FULL)

    with pytest.raises(OutputError, match=FULL):
        save_weights(fail, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert save_weights(lambda place: place.write_bytes(b"new"), path) == path
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]
