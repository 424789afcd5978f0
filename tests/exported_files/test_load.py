"""Files of exported programs: clean ones convert, hostile ones run nothing."""

from __future__ import annotations

import contextlib
import json
import random
import zipfile

import pytest
import torch
from torch import nn

import hostile_programs as hostile
import torch2keras as t2k
from torch2keras.errors import InternalError, SourceError, Torch2KerasError, UnsafeFileError
from torch2keras.exported_files.load import load_exported_program


@pytest.fixture(scope="module")
def clean():
    return hostile.read_records(hostile.export_clean())


def write(tmp_path, records):
    path = tmp_path / "net.pt2"
    hostile.write_records(path, records)
    return path


class Blocks(nn.Module):
    """A block without gradients, a buffer that is not saved, and outputs in containers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 7, 3, stride=2, padding=1)
        self.register_buffer("shift", torch.randn(7, 1, 1), persistent=False)

    def forward(self, x, mask=None, *, scale=1.0):
        y = self.conv(x) + self.shift
        with torch.no_grad():
            mean = y.mean()
        return {"a": (y * mask, [mean * scale]), "b": torch.cat([x, x], 1)}


def export_blocks():
    args = (torch.randn(2, 3, 13, 17), torch.ones(1))
    shapes = {"x": {0: torch.export.Dim.AUTO}, "mask": None, "scale": None}
    return torch.export.export(Blocks().eval(), args, {"scale": 0.5}, dynamic_shapes=shapes)


@pytest.mark.parametrize("export", [hostile.export_clean, export_blocks])
def test_clean_files_are_converted(tmp_path, export):
    path = tmp_path / "net.pt2"
    program = export()
    torch.export.save(program, str(path))
    loaded = load_exported_program(path)
    converted = t2k.convert(loaded)
    assert converted.report.verified
    assert converted.model.inputs[0].shape[0] is None
    state = program.state_dict
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict.items())


@pytest.mark.parametrize("name", hostile.HOSTILE)
def test_hostile_files_run_nothing(tmp_path, clean, name):
    records, marker = dict(clean), tmp_path / "marker"
    hostile.HOSTILE[name](records, marker)
    with pytest.raises(UnsafeFileError) as error:
        load_exported_program(write(tmp_path, records))
    assert "--trust" in str(error.value)
    assert not marker.exists()


@pytest.mark.parametrize("name", hostile.RUNS)
def test_what_is_trusted_is_run(tmp_path, clean, name):
    records, marker = dict(clean), tmp_path / "marker"
    hostile.HOSTILE[name](records, marker)
    with contextlib.suppress(Torch2KerasError):
        load_exported_program(write(tmp_path, records), trust=True)
    assert marker.exists()


def test_a_trusted_file_is_a_program(tmp_path, clean):
    assert load_exported_program(write(tmp_path, clean), trust=True).state_dict


def test_packed_records_are_refused(tmp_path, clean):
    path = tmp_path / "net.pt2"
    hostile.write_records(path, clean, zipfile.ZIP_DEFLATED)
    with pytest.raises(SourceError, match="packed"):
        load_exported_program(path)


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + bytes(18), bytes(997)])
def test_what_is_no_archive_is_refused(tmp_path, data):
    path = tmp_path / "net.pt2"
    path.write_bytes(data)
    with pytest.raises(SourceError):
        load_exported_program(path)


def test_a_missing_record_is_named(tmp_path, clean):
    records = {name: data for name, data in clean.items() if name != hostile.MODEL}
    with pytest.raises(SourceError, match=r"models/model\.json"):
        load_exported_program(write(tmp_path, records))


def test_another_version_of_the_schema_is_refused(tmp_path, clean):
    program = json.loads(clean[hostile.MODEL])
    program["schema_version"]["major"] += 1
    records = {**clean, hostile.MODEL: json.dumps(program).encode()}
    with pytest.raises(SourceError, match="version"):
        load_exported_program(write(tmp_path, records))


JUNK = (
    None,
    True,
    -1,
    2**70,
    1e300,
    "",
    "x\x00\x1b[2J",
    "__import__('os')",
    [],
    {},
    [[]],
    "a" * 999,
)


EXPECTED = (
    "",
    *(cls.__name__ for cls in Torch2KerasError.__subclasses__() if cls is not InternalError),
)
"""How the conversion of a damaged file may end: well, or in an error of ours that is none of us."""


def name_error(action):
    """The class of the error that an action ends in; empty where it ends well."""
    try:
        action()
    except Torch2KerasError as error:
        return type(error).__name__
    return ""


def mutate_json(data, generator):
    """Exchange one value somewhere in a description for junk, or leave it out."""
    place, key = {"": data}, ""
    while isinstance(place[key], dict | list) and place[key] and generator.random() < 0.93:
        place = place[key]
        key = generator.choice(list(place) if isinstance(place, dict) else range(len(place)))
    if isinstance(place, dict) and key and generator.random() < 0.2:
        del place[key]
    else:
        place[key] = generator.choice(JUNK)


@pytest.mark.parametrize("seed", range(60))
def test_mutated_descriptions_end_well(tmp_path, clean, seed):
    generator = random.Random(seed)
    record = generator.choice([hostile.MODEL, hostile.MODEL, hostile.WEIGHTS])
    description = json.loads(clean[record])
    mutate_json(description, generator)
    records = {**clean, record: json.dumps(description).encode()}
    path = write(tmp_path, records)
    assert name_error(lambda: t2k.convert(load_exported_program(path), verify=False)) in EXPECTED


@pytest.mark.parametrize("seed", range(200))
def test_mutated_bytes_end_well(tmp_path, clean, seed):
    generator = random.Random(seed)
    path = write(tmp_path, clean)
    data = bytearray(path.read_bytes())
    for _ in range(generator.choice([1, 3, 17])):
        data[generator.randrange(len(data))] = generator.randrange(256)
    path.write_bytes(data[: generator.choice([len(data), generator.randrange(len(data))])])
    assert name_error(lambda: load_exported_program(path)) in ("", "SourceError", "UnsafeFileError")
