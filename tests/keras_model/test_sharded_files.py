from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
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
    assert files == sorted(file.name for file in folder.glob("model-*.safetensors"))
    assert len(files) >= 3
    whole = load_file(converted.save(tmp_path / "net.safetensors"))
    parts = {file: load_file(folder / file) for file in files}
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in whole.values())
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[index["weight_map"][name]][name], array)
    for arrays in parts.values():
        assert sum(array.nbytes for array in arrays.values()) <= MOST
    assert LOADING.count("load_file") == 1  # docs/weights.md runs its loop for each file


class Scaled(nn.Module):
    """Its step is in the state_dict, and read by nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv1d(3, 5, 3)
        self.register_buffer("steps", torch.tensor(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(x)


@pytest.mark.parametrize("kind", ["h5", "safetensors"])
@pytest.mark.parametrize(("net", "dtype"), [(Net, None), (Scaled, None), (Scaled, "bfloat16")])
def test_the_folder_gives_the_state_of_the_module(tmp_path, net, dtype, kind) -> None:
    module = net().eval()
    converted = t2k.convert(module, (X,), dtype=dtype)
    folder = converted.save(tmp_path / "net", max_shard_size=MOST, weights_format=kind)
    saved = t2k.weights(folder)
    x = converted.inputs[0].from_torch(X)
    given, wanted = saved.model.predict(x, verbose=0), converted.model.predict(x, verbose=0)
    np.testing.assert_array_equal(given, wanted)
    state = saved.to_state_dict()
    assert list(state) == list(module.state_dict())
    for name, tensor in converted.state_dict().items():
        assert torch.equal(state[name], tensor), name
    saved.load({name: tensor * 2 for name, tensor in state.items()})
    name = next(iter(state))
    assert torch.equal(saved.to_state_dict()[name], state[name] * 2)
    assert t2k.weights(saved.save(tmp_path / "net.keras")).to_state_dict().keys() == state.keys()


def change_index(folder: Path, name: str) -> None:
    """Let the index of a folder name another file for its first weight."""
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"][next(iter(content["weight_map"]))] = name
    index.write_text(json.dumps(content))


def link_shard(folder: Path) -> None:
    """Let a shard lie elsewhere."""
    shard = next(folder.glob("model-*.safetensors"))
    shard.rename(folder.parent / "elsewhere")
    shard.symlink_to(folder.parent / "elsewhere")


BROKEN = {
    "a shard from elsewhere": (
        lambda folder: change_index(folder, "../a.safetensors"),
        "no file of",
    ),
    "a shard that is not there": (
        lambda folder: change_index(folder, "a.safetensors"),
        "cannot read",
    ),
    "a shard that is a link": (link_shard, "no file of"),
    "no index": (lambda folder: (folder / "model.safetensors.index.json").unlink(), "cannot read"),
    "no architecture": (lambda folder: (folder / "config.json").unlink(), "cannot read"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_a_typed_error(converted, tmp_path: Path, case: str) -> None:
    folder = converted.save(tmp_path / "net", max_shard_size=MOST, weights_format="safetensors")
    damage, message = BROKEN[case]
    damage(folder)
    with pytest.raises(t2k.InputError, match=message):
        t2k.weights(folder).to_state_dict()


def test_a_shard_that_lacks_a_weight_is_a_typed_error(converted, tmp_path: Path) -> None:
    folder = converted.save(tmp_path / "net", max_shard_size="1GB", weights_format="safetensors")
    (file,) = folder.glob("model-*.safetensors")
    arrays = load_file(file)
    arrays.pop(next(iter(arrays)))
    save_file(arrays, file)
    with pytest.raises(t2k.InputError, match="no shard has"):
        t2k.weights(folder).to_state_dict()


def test_a_folder_of_something_else_has_no_map(tmp_path: Path) -> None:
    with pytest.raises(t2k.SourceError, match="no model that torch2keras has saved"):
        t2k.weights(tmp_path)


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
    with pytest.raises(t2k.OutputError, match=r"larger than a shard(.|\n)*safetensors"):
        converted.save(tmp_path / "net", max_shard_size=64)
    assert not list(tmp_path.iterdir())
