"""Weights alone as safetensors: the names lead to the variables, and so do lines of code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from torch import nn

import torch2keras as t2k
from torch2keras.keras_model.weights_file import (
    HDF5_OVERHEAD,
    LOADING,
    write_hdf5,
    write_safetensors,
)

X = torch.randn(2, 3, 11)


class Net(nn.Module):
    """A convolution, a norm and a recurrent layer in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5)
        self.lstm = nn.LSTM(5, 4, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(self.norm(self.conv(x)).relu().transpose(1, 2))[0]


@pytest.fixture(scope="module")
def converted() -> t2k.Converted:
    torch.manual_seed(0)
    return t2k.convert(Net().eval(), (X,))


@pytest.mark.parametrize("name", ["net.weights.h5", "net.safetensors", "net.keras", "net.py"])
def test_equal_bytes(name: str, converted: t2k.Converted, tmp_path: Path) -> None:
    contents = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        converted.save(folder / name, reproducible=True, weights_format="safetensors")
        contents.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert contents[0] == contents[1]
    assert len(contents[0]) == (2 if name == "net.py" else 1)


def test_each_weight_by_its_place(converted: t2k.Converted, tmp_path: Path) -> None:
    path = converted.save(tmp_path / "net.safetensors")
    arrays = load_file(path)
    assert len(arrays) == len(converted.model.weights)
    assert np.array_equal(arrays["conv/kernel"], converted.layers["conv"].kernel.numpy())
    assert arrays["lstm/backward_layer.cell.recurrent_kernel"].shape == (4, 16)
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    with safe_open(path, "np") as file:
        facts = json.loads(file.metadata()["torch2keras"])
    assert facts["verification"]["ok"]


def test_weights_of_keras_load_into_the_code(converted: t2k.Converted, tmp_path: Path) -> None:
    path = converted.save(tmp_path / "net.weights.h5")
    model = keras.models.clone_model(converted.model)
    model.load_weights(path)
    for ours, theirs in zip(model.weights, converted.model.weights, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())


USE = """
import sys

sys.modules["torch"] = sys.modules["torch2keras"] = None
import keras
import numpy as np
from net import build

{loading}

saved = np.load("ports.npz")
np.save("y.npy", keras.ops.convert_to_numpy(model(saved["x"])))
"""


def test_the_lines_of_the_head_load_them_without_torch_and_ours(
    converted: t2k.Converted, tmp_path: Path
) -> None:
    path = converted.save(tmp_path / "net.py", weights_format="safetensors")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.py", "net.safetensors"]
    loading = path.read_text("utf-8").split('"""')[1].partition("\n\n")[2]
    assert loading.strip() == LOADING.format(file='"net.safetensors"')
    given = converted.inputs[0].from_torch(X)
    np.savez(tmp_path / "ports.npz", x=given)
    (tmp_path / "use.py").write_text(USE.format(loading=loading))
    environment = os.environ | {"PYTHONPATH": ""}
    subprocess.run([sys.executable, "use.py"], cwd=tmp_path, check=True, env=environment)
    wanted = keras.ops.convert_to_numpy(converted.model(given))
    assert np.array_equal(np.load(tmp_path / "y.npy"), wanted)


def test_layers_within_models_stand_behind_their_names(tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5, name="d")], name="part")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, inner(inputs))
    path = tmp_path / "a.safetensors"
    write_safetensors(model, [("d", "kernel"), ("d", "bias")], path, {})
    assert sorted(load_file(path)) == ["part/d/bias", "part/d/kernel"]
    other = keras.models.clone_model(model)
    names = {"build": lambda: other, "keras": keras}
    exec(LOADING.format(file=repr(str(path))), names)  # noqa: S102
    for ours, theirs in zip(other.weights, model.weights, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())


def test_weights_that_came_later_are_named(tmp_path: Path) -> None:
    converted = t2k.convert(nn.Linear(3, 5), (torch.randn(2, 3),), verify=False)
    converted.model.layers[-1].enable_lora(2)
    with pytest.raises(t2k.OutputError, match="came to the model after the conversion"):
        converted.save(tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def test_an_unknown_format(converted: t2k.Converted, tmp_path: Path) -> None:
    with pytest.raises(t2k.InputError, match="no format of weights"):
        converted.save(tmp_path / "net.py", weights_format="pickle")  # type: ignore[arg-type]


def test_hdf5_is_not_asked_to_write_what_has_no_room(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((97,)), keras.layers.Dense(101)])
    file, usage = tmp_path / "net.weights.h5", shutil.disk_usage(tmp_path)
    free = 4 * (97 * 101 + 101)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    with pytest.raises(OSError, match="No space left"):
        write_hdf5(model, file)
    assert not file.exists()
    monkeypatch.undo()
    write_hdf5(model, file)
    assert free < file.stat().st_size < free + 6 * HDF5_OVERHEAD
