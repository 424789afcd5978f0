"""`compare` and `transfer` on the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from command import NETS, command
from torch2keras.cli.twin_options import require_twin_file
from torch2keras.errors import InputError


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    (tmp_path / "twin_sources.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("twin_sources", None)


def save_twin(path: Path, activation: str = "tanh") -> Path:
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((12, 3))
    x = layers.Conv1D(5, 3, padding="same", activation=activation, name="conv")(x)
    keras.Model(inputs, layers.Dense(7, name="head")(x)).save(path)
    return path


SOURCE = ("twin_sources.py:Small", "-i", "2,3,12")


def test_a_twin_is_given_its_weights_and_is_equal_then(folder) -> None:
    twin = save_twin(folder / "twin.keras")
    page = command("transfer", *SOURCE, twin.name, "-o", "out.keras", "--save-mapping", "map.json")
    assert page.code == 0
    assert "4 weights transferred; outputs verified" in page.out
    assert "saved out.keras" in page.out
    assert [pair["keras"] for pair in json.loads(Path("map.json").read_text())["pairs"]] == [
        "conv",
        "head",
    ]
    compared = command("compare", *SOURCE, "out.keras", "--mapping", "map.json", "--json")
    document = json.loads(compared.out)
    assert compared.code == 0
    assert document["equal"]
    assert document["own_weights"] == {"equal": 4, "compared": 4}
    assert {pair["how"] for pair in document["mapping"]["pairs"]} == {"given"}


def test_a_mistake_is_named_and_nothing_is_written(folder) -> None:
    twin = save_twin(folder / "twin.keras", "relu")
    page = command("compare", *SOURCE, twin.name)
    assert page.code == 5
    assert "conv | conv: relu where the module has tanh" in page.out
    page = command("transfer", *SOURCE, twin.name, "-o", "out.keras")
    assert page.code == 5
    assert "relu where the module has tanh" in page.err
    assert not Path("out.keras").exists()
    page = command("transfer", *SOURCE, twin.name, "-o", "out.keras", "--no-strict", "--json")
    assert page.code == 0
    assert not json.loads(page.out)["verified"]
    assert np.any(keras.saving.load_model("out.keras").get_weights()[1])


def test_files_that_are_no_twins_are_refused(folder) -> None:
    (folder / "broken.keras").write_text("nothing")
    for name in ("missing.keras", "twin_sources.py"):
        with pytest.raises(InputError, match="no Keras model"):
            require_twin_file(folder / name)
    x = keras.Input((3,))
    keras.Model(x, layers.Lambda(lambda v: v * 2)(x)).save(folder / "code.keras")
    assert command("compare", *SOURCE, "code.keras").code == 3
    assert command("compare", *SOURCE, "broken.keras").code == 2
    assert command("compare", *SOURCE, "missing.keras").code == 2


def test_a_dtype_is_refused(folder) -> None:
    twin = save_twin(folder / "twin.keras")
    page = command("compare", *SOURCE, twin.name, "--dtype", "float64")
    assert page.code == 2
    assert "--dtype has no meaning here" in page.err
