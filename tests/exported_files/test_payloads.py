"""Weights, constants and example inputs of programs."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import hostile_programs as hostile
from torch2keras.exported_files.archive import read_archive
from torch2keras.exported_files.payloads import (
    STRIDED,
    WEIGHTS,
    check_example_inputs,
    find_payload_fault,
)

FLOAT = 7


@pytest.fixture
def archive(tmp_path: Path):
    path = tmp_path / "net.pt2"
    hostile.write_records(path, hostile.read_records(hostile.export_clean()))
    return read_archive(path)


def entry(sizes, strides, offset=0, dtype=FLOAT):
    numbers = {"sizes": sizes, "strides": strides}
    meta = {name: [{"as_int": value} for value in values] for name, values in numbers.items()}
    meta |= {"storage_offset": {"as_int": offset}, "layout": STRIDED, "dtype": dtype}
    return {"path_name": "weight_0", "use_pickle": False, "is_param": True, "tensor_meta": meta}


@pytest.mark.parametrize(
    "given",
    [
        ((7, 3, 5), (15, 5, 1)),
        ((105,), (1,)),
        ((5, 3), (1, 5)),
        ((), (), 104),
        ((0, 2**40), (1, 1)),
        ((105,), (0,)),
    ],
)
def test_tensors_within_their_record(archive, given):
    assert archive.sizes[f"{WEIGHTS}weight_0"] == 7 * 3 * 5 * 4
    assert find_payload_fault(archive, {"w": entry(*given)}, WEIGHTS) is None


@pytest.mark.parametrize(
    "given",
    [
        ((106,), (1,)),
        ((105,), (1,), 1),
        ((105,), (1,), 0, 8),
        ((7, 3, 5), (2**60, 5, 1)),
        ((2**40,), (0,)),
        ((-1,), (1,)),
        ((5,), (-1,), 50),
        ((3,), (1, 1)),
        ((3,), (1,), 0, 999),
    ],
)
def test_tensors_beyond_their_record(archive, given):
    assert find_payload_fault(archive, {"w": entry(*given)}, WEIGHTS) is not None


def test_what_is_no_plain_tensor(archive):
    plain = entry((3,), (1,))
    others = (
        {**plain, "use_pickle": True},
        {**plain, "tensor_meta": None},
        {**plain, "path_name": "custom_obj_0"},
        {**plain, "path_name": "weight_999"},
        {**plain, "tensor_meta": {**plain["tensor_meta"], "layout": 1}},
    )
    for other in others:
        assert find_payload_fault(archive, {"w": other}, WEIGHTS) is not None


def test_example_inputs_are_data(archive, tmp_path):
    check_example_inputs(archive, "model")
    records, marker = hostile.read_records(hostile.export_clean()), tmp_path / "marker"
    hostile.HOSTILE["pickled example inputs"](records, marker)
    path = tmp_path / "other.pt2"
    hostile.write_records(path, records)
    with pytest.raises(pickle.UnpicklingError):
        check_example_inputs(read_archive(path), "model")
    assert not marker.exists()
