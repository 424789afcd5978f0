"""Files of weights: the state_dicts that are found, and what is refused, with nothing run."""

from __future__ import annotations

import collections
import json
import os
import warnings

import pytest
import torch
from torch import nn

from torch2keras.checkpoints.checkpoint_files import Checkpoint, open_checkpoint, read_checkpoint
from torch2keras.errors import InputError, SourceError, UnsafeFileError

STATE = {"conv.weight": torch.ones(3, 5), "conv.bias": torch.zeros(3)}

# what torch.save writes -> the entries, in the order in which they are preferred
SAVED = {
    "a state_dict": (STATE, [""]),
    "an OrderedDict": (collections.OrderedDict(STATE), [""]),
    "Lightning": ({"epoch": 3, "state_dict": STATE, "callbacks": {}}, ["state_dict"]),
    "an average": ({"model": STATE, "ema": STATE, "step": 7}, ["ema", "model"]),
    "timm": ({"state_dict": STATE, "state_dict_ema": STATE}, ["state_dict_ema", "state_dict"]),
    "an optimizer beside it": (
        {"model_state_dict": STATE, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
        ["model_state_dict"],
    ),
    "a number beside it": ({"loss": torch.ones(()), "net": STATE}, ["net", ""]),
    "deeper": ({"train": {"model": STATE}}, ["train.model"]),
    "two networks": ({"generator": STATE, "critic": STATE}, ["generator", "critic"]),
    "nothing": ({"epoch": 3}, None),
    "a list": ([torch.ones(3)], None),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", SAVED)
def test_entries(name: str, zipped: bool, tmp_path) -> None:
    saved, entries = SAVED[name]
    torch.save(saved, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    checkpoint = read_checkpoint(tmp_path / "a.pth")
    if entries is None:
        with pytest.raises(InputError, match="holds no weights by name"):
            checkpoint.list_entries()
        return
    assert checkpoint.list_entries() == entries
    assert torch.equal(checkpoint.states[entries[0]]["conv.weight"], STATE["conv.weight"])


def test_safetensors_are_one_entry(tmp_path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file(STATE, tmp_path / "a.safetensors")
    checkpoint = read_checkpoint(tmp_path / "a.safetensors")
    assert checkpoint.list_entries() == [""]
    assert sorted(checkpoint.states[""]) == sorted(STATE)


class Marker:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_not_run(zipped: bool, tmp_path) -> None:
    marker, file = tmp_path / "ran", tmp_path / "a.pth"
    saved = {"state_dict": STATE, "more": Marker(str(marker))}
    torch.save(saved, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeFileError, match="holds more than weights"):
        read_checkpoint(file)
    assert not marker.exists()


def test_the_way_out_of_a_pickled_module_works(tmp_path) -> None:
    file = tmp_path / "a.pth"
    torch.save(nn.Linear(3, 5), file)
    with pytest.raises(UnsafeFileError, match=r"module\.state_dict\(\)"):
        read_checkpoint(file)
    module = torch.load(file, weights_only=False)
    torch.save(module.state_dict(), file)
    assert sorted(read_checkpoint(file).states[""]) == ["bias", "weight"]


@pytest.mark.parametrize(
    "content", [None, b"", b"hello", b"PK\x03\x04 and no more", b"\x80\x02garbage", "half"]
)
def test_damaged_files_are_typed_errors(content, tmp_path) -> None:
    file = tmp_path / "a.pth"
    torch.save(STATE, file)
    if content == "half":
        content = file.read_bytes()[: file.stat().st_size // 2]
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises((SourceError, UnsafeFileError)):
        read_checkpoint(file)


def test_a_pipe_and_nothing_are_no_files(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    for name in ("pipe.pth", "none.pth", "none.safetensors"):
        with pytest.raises(SourceError, match="is no file"):
            read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("stem", ["model", "diffusion_pytorch_model"])
def test_a_folder_is_its_safetensors_and_its_shards(stem: str, tmp_path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    with pytest.raises(SourceError, match="holds no weights"):
        read_checkpoint(tmp_path)
    shards = {}
    for number, (name, tensor) in enumerate(STATE.items()):
        shards[name] = f"{stem}-{number}.safetensors"
        save_file({name: tensor}, tmp_path / shards[name])
    index = tmp_path / f"{stem}.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    assert sorted(read_checkpoint(tmp_path).states[""]) == sorted(STATE)
    for file in tmp_path.iterdir():
        file.unlink()
    save_file(STATE, tmp_path / f"{stem}.safetensors")
    assert sorted(read_checkpoint(tmp_path).states[""]) == sorted(STATE)


def test_a_dictionary_in_memory_is_what_a_file_holds() -> None:
    checkpoint = open_checkpoint({"epoch": 3, "state_dict": STATE})
    assert checkpoint.list_entries() == ["state_dict"]
    plain = open_checkpoint({**STATE, "version": 4})
    assert (sorted(plain.states[""]), plain.objects[""]) == (sorted(STATE), {"version": 4})
    assert open_checkpoint({}).states == {"": {}}
    with pytest.raises(InputError, match="a Linear is no state_dict"):
        open_checkpoint(nn.Linear(3, 5))


def test_torchscript_is_pointed_to_its_own_source(tmp_path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(3, 5)), str(tmp_path / "a.pt"))
    with pytest.raises(SourceError, match="write torchscript:"):
        read_checkpoint(tmp_path / "a.pt")


def test_no_entries_are_an_error(tmp_path) -> None:
    with pytest.raises(InputError, match="no weights"):
        Checkpoint(tmp_path, {}).list_entries()
