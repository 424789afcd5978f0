"""Safetensors: good files, damaged ones, and indices of shards."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import safetensors.torch
import torch

from torch2keras.checkpoints.safetensors_files import (
    find_weight_files,
    read_folder,
    read_safetensors,
)
from torch2keras.errors import SourceError

TENSOR = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def with_header(header: object, data: bytes = bytes(24)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


DAMAGED: Mapping[str, bytes] = {
    "nothing": b"",
    "less than a length": b"\x01\x02",
    "a length beyond the file": struct.pack("<Q", 1000) + b"{}",
    "a length beyond all files": struct.pack("<Q", 2**63) + b"{}",
    "a header that is no JSON": with_header(b"{nothing"),
    "a header that is no text": with_header(b"\xff\xfe\xfd"),
    "a header that is a list": with_header([TENSOR]),
    "no places": with_header({"w": {"dtype": "F32", "shape": [2, 3]}}),
    "a dtype that is none": with_header({"w": {**TENSOR, "dtype": "F31"}}),
    "a shape that is larger": with_header({"w": {**TENSOR, "shape": [2, 4]}}),
    "a size below nothing": with_header({"w": {**TENSOR, "shape": [-2, -3]}}),
    "fewer bytes": with_header({"w": TENSOR}, bytes(23)),
    "more bytes": with_header({"w": TENSOR}, bytes(25)),
    "places that overlap": with_header({"w": TENSOR, "v": {**TENSOR, "data_offsets": [4, 28]}}),
    "places backwards": with_header({"w": {**TENSOR, "data_offsets": [24, 0]}}),
    "a shape that overflows": with_header({"w": {**TENSOR, "shape": [2**62, 2**62]}}),
    "a pickle": b"\x80\x04N.",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_files(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(DAMAGED[kind])
    with pytest.raises(SourceError, match="is damaged, or no safetensors"):
        read_safetensors(file)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


NO_FILES: Mapping[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "a folder": Path.mkdir,
    "a pipe": _pipe,
}


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.safetensors"
    NO_FILES[kind](path)
    with pytest.raises(SourceError, match="is no file"):
        read_safetensors(path)


def _write_shards(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(("a.safetensors", "b.safetensors")):
        safetensors.torch.save_file({name: torch.full((2,), float(number))}, folder / name)
    weight_map = {"a": "a.safetensors", "b": "b.safetensors", "c": "a.safetensors"}
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_shards_are_read_together(tmp_path: Path) -> None:
    _write_shards(tmp_path)
    read = read_folder(tmp_path)
    assert {name: tensor.tolist() for name, tensor in read.items()} == {
        "a.safetensors": [0, 0],
        "b.safetensors": [1, 1],
    }


def test_one_file_comes_before_an_index(tmp_path: Path) -> None:
    _write_shards(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes())
    assert find_weight_files(tmp_path) == [tmp_path / "model.safetensors"]


def test_the_cache_of_the_hub_links_to_its_blobs(tmp_path: Path) -> None:
    repository = tmp_path / "models--a--b"
    snapshot = repository / "snapshots" / "0123"
    _write_shards(snapshot)
    (repository / "blobs").mkdir()
    for name in ("a", "b"):
        shard = snapshot / f"{name}.safetensors"
        shard.rename(repository / "blobs" / name)
        shard.symlink_to(Path("../../blobs") / name)
    assert len(read_folder(snapshot)) == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": [3]}'])
def test_an_index_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(SourceError, match="is no index of shards"):
        find_weight_files(tmp_path)
