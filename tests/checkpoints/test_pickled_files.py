"""What torch.save wrote: no code is run and no memory filled that the file has no bytes for."""

from __future__ import annotations

import argparse
import collections
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import torch2keras as t2k
from command import command
from hostile_programs import Bait
from torch2keras.checkpoints.checkpoint_names import load_weights
from torch2keras.checkpoints.pickled_files import load_pickled
from torch2keras.errors import InputError, SourceError, UnsafeFileError

STATE = {"weight": torch.ones(3, 5), "bias": torch.zeros(3)}

ZIPPED = pytest.mark.parametrize("zipped", [True, False])


class Call:
    """Is a call of a function when it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def save(value: Any, file: Path, *, zipped: bool = True) -> Path:
    torch.save(value, file, _use_new_zipfile_serialization=zipped)
    return file


@ZIPPED
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (argparse.Namespace(lr=0.1), "an object of argparse.Namespace"),
        (nn.Linear(5, 3), "an object of torch.nn.modules.linear.Linear"),
        (Call(eval, "1"), "an object of eval"),
        (Call(getattr, STATE, "keys"), "an object of getattr"),
        (Call(bytearray, 10**10), "a bytearray"),
    ],
)
def test_what_is_more_than_data_is_named_with_the_way_out(
    tmp_path: Path, value: Any, said: str, zipped: bool
) -> None:
    file = save({**STATE, "more": value}, tmp_path / "a.pth", zipped=zipped)
    with pytest.raises(UnsafeFileError, match=said) as error:
        load_pickled(file)
    assert "safetensors" in str(error.value)
    assert "--trust" in str(error.value)


@ZIPPED
def test_what_is_trusted_is_run_and_the_note_says_so(tmp_path: Path, zipped: bool) -> None:
    marker, file = tmp_path / "marker", tmp_path / "a.pth"
    save({"state_dict": STATE, "more": Bait(marker)}, file, zipped=zipped)
    module = nn.Linear(5, 3)
    with pytest.raises(UnsafeFileError):
        load_weights(module, file)
    assert not marker.exists()
    assert "was trusted: whatever it holds was run" in load_weights(module, file, trust=True)
    assert marker.exists()
    assert torch.equal(module.weight, STATE["weight"])


def test_a_module_that_was_pickled_whole_counts_as_its_weights_where_it_is_trusted(
    tmp_path: Path,
) -> None:
    whole, module = nn.Linear(5, 3), nn.Linear(5, 3)
    file = save({"ema": None, "model": whole}, tmp_path / "a.pt")
    converted = t2k.convert(module.eval(), torch.randn(2, 5))
    with pytest.raises(UnsafeFileError, match="trust=True"):
        converted.load_state_dict(file)
    assert "was trusted" in converted.load_state_dict(file, trust=True).note
    assert torch.equal(converted.state_dict()["weight"], whole.weight)
    saved = t2k.weights(converted.save(tmp_path / "a.keras"))
    with pytest.raises(UnsafeFileError):
        saved.load(file)
    assert "was trusted" in saved.load(file, trust=True).note


def test_the_command_line_trusts_by_the_call(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("trusting_net.py").write_text("from torch import nn\nNet = lambda: nn.Linear(5, 3)\n")
    save({"model": STATE, "args": argparse.Namespace(lr=0.1)}, Path("a.pth"))
    call = ["convert", "trusting_net.py:Net", "-i", "2,5", "--weights", "a.pth", "-o", "a.keras"]
    ran = command(*call)
    assert (ran.code, "argparse.Namespace" in ran.err) == (3, True)
    ran = command(*call, "--trust")
    assert (ran.code, "was trusted" in " ".join(ran.out.split())) == (0, True)
    assert command(*call[:4], "-o", "a.keras", "--trust").code == 2


def rewrite(file: Path, packing: int, name: str = "") -> None:
    """Write an archive anew, packed, or with one record twice."""
    with zipfile.ZipFile(file) as archive:
        records = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(file, "w", packing) as archive:
        for info, data in records.items():
            archive.writestr(info.filename, data)
            if name and info.filename.endswith(name):
                archive.writestr(info.filename, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_is_larger_in_memory_is_refused(tmp_path: Path) -> None:
    file = save({"weight": torch.zeros(10**6)}, tmp_path / "a.pth")
    rewrite(file, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 10**5
    with pytest.raises(SourceError, match="is packed"):
        load_pickled(file)
    save(STATE, file)
    rewrite(file, zipfile.ZIP_STORED, "data.pkl")
    with pytest.raises(SourceError, match="two records"):
        load_pickled(file)


SPECIAL = {
    "sparse": lambda: torch.ones(3, 5).to_sparse(),
    "compressed": lambda: torch.ones(3, 5).to_sparse_csr(),
    "meta": lambda: torch.ones(3, 5, device="meta"),
    "quantized": lambda: torch.quantize_per_tensor(torch.ones(3, 5), 0.1, 0, torch.qint8),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", SPECIAL)
def test_tensors_without_plain_numbers_are_not_taken(tmp_path: Path, kind: str) -> None:
    file = save({**STATE, "weight": SPECIAL[kind]()}, tmp_path / "a.pth")
    module = nn.Linear(5, 3).eval()
    with pytest.raises(InputError, match="weight"):
        load_weights(module, file)
    converted = t2k.convert(module, torch.randn(2, 5))
    with pytest.raises(InputError, match="weight"):
        converted.load_state_dict(file)


def test_a_tensor_that_says_more_than_its_file_has_fits_no_module(tmp_path: Path) -> None:
    file = save({**STATE, "weight": torch.ones(1).expand(2**40, 2**20)}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="in the module"):
        load_weights(nn.Linear(5, 3), file)


def test_a_dictionary_with_any_class_of_python_is_data(tmp_path: Path) -> None:
    value = collections.OrderedDict(a=torch.Size([3]), b={1, 2}, c=1j, d=collections.Counter("aa"))
    assert load_pickled(save(value, tmp_path / "a.pth")) == value


def test_a_plain_pickle_is_no_file_of_weights(tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    file.write_bytes(pickle.dumps(STATE))
    with pytest.raises((SourceError, UnsafeFileError)):
        load_pickled(file)
