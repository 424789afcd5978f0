from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

import torch2keras as t2k
from torch2keras.keras_model.sharded_files import plan_shards
from torch2keras.keras_model.weights_file import LOADING

X = torch.randn(2, 3, 11)
MOST = 1100
"""Bytes of a shard; the weights of the net are 2,928, and the largest is 700."""


class Net(nn.Module):
    """Two convolutions, and a recurrent layer in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv1d(3, 5, 3), nn.Conv1d(5, 7, 5)
        self.lstm = nn.LSTM(7, 4, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(self.two(self.one(x).relu()).transpose(1, 2))[0]


@pytest.fixture(scope="module")
def converted() -> t2k.Converted:
    torch.manual_seed(0)
    return t2k.convert(Net().eval(), (X,))


def test_a_shard_is_filled_and_a_large_weight_goes_alone() -> None:
    sizes = {"a": 3, "b": 5, "c": 11, "d": 2, "e": 7}
    assert plan_shards(sizes, 8) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert plan_shards(sizes, 100) == [list(sizes)]
    assert plan_shards({}, 8) == []


ALONE = """
import sys, numpy, keras
folder, x, y = sys.argv[1], *numpy.load(sys.argv[2]).values()
model = keras.models.model_from_json(open(folder + "/config.json").read())
model.load_weights(folder + "/model.weights.json")
numpy.testing.assert_array_equal(model.predict(x, verbose=0), y)
assert not any(name.startswith(("torch2keras", "torch.")) for name in sys.modules)
"""


def test_the_folder_loads_in_a_process_that_has_keras_alone(converted, tmp_path) -> None:
    folder = converted.save(tmp_path / "net", max_shard_size=MOST)
    shards = [file for file in folder.iterdir() if file.suffix == ".h5"]
    assert len(shards) >= 3
    x = np.moveaxis(X.numpy(), 1, 2)
    np.savez(tmp_path / "xy.npz", x=x, y=converted.model.predict(x, verbose=0))
    command = [sys.executable, "-c", ALONE, str(folder), str(tmp_path / "xy.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_safetensors_are_named_by_their_index(converted, tmp_path) -> None:
    folder = converted.save(tmp_path / "net", max_shard_size="1.1kB", weights_format="safetensors")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    files = sorted({*index["weight_map"].values()})
    assert files == sorted(file.name for file in folder.glob("*.safetensors"))
    assert len(files) >= 3
    whole = load_file(converted.save(tmp_path / "net.safetensors"))
    parts = {file: load_file(folder / file) for file in files}
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in whole.values())
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[index["weight_map"][name]][name], array)
    for arrays in parts.values():
        assert sum(array.nbytes for array in arrays.values()) <= MOST
    assert LOADING.count("load_file") == 1  # docs/weights.md runs its loop for each file


def test_a_folder_of_another_kind_is_left_alone(converted, tmp_path) -> None:
    taken = tmp_path / "net"
    taken.mkdir()
    (taken / "thesis.txt").write_text("years of work")
    with pytest.raises(t2k.OutputError, match="something else"):
        converted.save(taken, max_shard_size="1GB")
    assert [file.name for file in taken.iterdir()] == ["thesis.txt"]
    with pytest.raises(t2k.OutputError, match="several files"):
        converted.save(tmp_path / "net.keras", max_shard_size="1GB")
    with pytest.raises(t2k.InputError, match="max_shard_size 8GB"):
        converted.save(tmp_path / "other", max_shard_size="huge")
    with pytest.raises(t2k.InputError, match="no format"):
        converted.save(tmp_path / "other", max_shard_size="1GB", weights_format="npz")


def test_a_folder_of_shards_is_replaced_by_a_whole_one(converted, tmp_path, monkeypatch) -> None:
    folder = converted.save(tmp_path / "net", max_shard_size=MOST)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def fail(*_: object, **__: object) -> None:
        message = "no space left on device"
        raise OSError(message)

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save_weights", fail)
        with pytest.raises(t2k.OutputError, match="no space left"):
            converted.save(folder, max_shard_size=MOST)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    converted.save(folder, max_shard_size="1GB")
    assert len(list(folder.glob("*.h5"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_a_weight_beyond_the_size_is_a_typed_error(converted, tmp_path: Path) -> None:
    with pytest.raises(t2k.OutputError, match="shard size"):
        converted.save(tmp_path / "net", max_shard_size=64)
    assert not list(tmp_path.iterdir())
