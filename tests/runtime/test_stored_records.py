"""The records of an archive: each once, stored as it is, and all of them within the file."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from torch2keras.runtime import stored_records
from torch2keras.runtime.stored_records import list_stored_records


def archive(records, packing=zipfile.ZIP_STORED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as file:
        for name, data in records:
            file.writestr(name, data)
    return made.getvalue()


def listed(data):
    return list_stored_records(io.BytesIO(data), len(data))


def test_records_and_their_sizes(tmp_path):
    data = archive([("a/b", b"123"), ("c", b"")])
    assert listed(data) == {"a/b": 3, "c": 0}
    file = tmp_path / "a.zip"
    file.write_bytes(data)
    assert list_stored_records(file, len(data)) == listed(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a zip"),
        (archive([]), "0 records"),
        (archive([("a", b"1"), ("a", b"2")]), "two records"),
        (archive([("a", b"1" * 99)], zipfile.ZIP_DEFLATED), "packed"),
    ],
)
def test_what_is_none_says_why(data, why):
    with pytest.raises(ValueError, match=why):
        listed(data)


def test_records_that_overlap_are_larger_than_the_file():
    data = archive([("a", bytes(999)), ("b", bytes(999))])
    entry = data.rindex(b"PK\x01\x02")
    second = bytearray(data[entry:])
    second[42:46] = struct.pack("<I", 0)
    second[20:28] = struct.pack("<II", len(data), len(data))
    with pytest.raises(ValueError, match="larger than the file"):
        listed(data[:entry] + bytes(second))


def test_records_without_end(monkeypatch):
    monkeypatch.setattr(stored_records, "MOST_RECORDS", 1)
    with pytest.raises(ValueError, match="2 records"):
        listed(archive([("a", b""), ("b", b"")]))
