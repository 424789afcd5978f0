"""The records of a `.pt2` file."""

from __future__ import annotations

import warnings
import zipfile

import pytest

import hostile_programs as hostile
from torch2keras.errors import SourceError
from torch2keras.exported_files.archive import read_archive


def write(path, names, root="archive", packing=zipfile.ZIP_STORED):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", packing) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name in names:
            archive.writestr(f"{root}/{name}", b"7" * 31)


def test_records_are_read(tmp_path):
    path = tmp_path / "net.pt2"
    records = hostile.read_records(hostile.export_clean())
    hostile.write_records(path, records)
    archive = read_archive(path)
    assert archive.sizes == {name: len(data) for name, data in records.items()}
    assert all(archive.read(name) == data for name, data in records.items())


@pytest.mark.parametrize(
    ("names", "root", "packing"),
    [
        (["version", "a", "a"], "archive", zipfile.ZIP_STORED),
        (["version", "a"], "archive", zipfile.ZIP_DEFLATED),
        (["version", "../../a"], "..", zipfile.ZIP_DEFLATED),
        ([], "archive", zipfile.ZIP_STORED),
    ],
)
def test_other_archives_are_refused(tmp_path, names, root, packing):
    path = tmp_path / "net.pt2"
    write(path, names, root, packing)
    with pytest.raises(SourceError, match="damaged"):
        read_archive(path)


def test_an_unknown_record_is_an_error(tmp_path):
    path = tmp_path / "net.pt2"
    hostile.write_records(path, hostile.read_records(hostile.export_clean()))
    with pytest.raises(SourceError, match="damaged"):
        read_archive(path).read("nothing")


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="there is no file"):
        read_archive(tmp_path / "net.pt2")
