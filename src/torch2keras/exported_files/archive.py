"""The archive that a `.pt2` file is: its records, as PyTorch's own reader gives them.

The file is read into memory once, and that copy is both looked through and loaded: nobody can
exchange it in between. Nothing in it is packed, so no record is larger than the file.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from torch2keras.errors import SourceError
from torch2keras.runtime.paths import is_file

STEP = "write the file again with torch.export.save(program, FILE)"

MOST_RECORDS = 10**5
"""No program has as many weights."""


@dataclass(frozen=True)
class Archive:
    """A `.pt2` file."""

    path: Path
    data: bytes
    sizes: Mapping[str, int]
    """The records by name, without the folder that holds all, and how many bytes each has."""
    reader: Any

    def read(self, name: str) -> bytes:
        """Return a record. Raises SourceError where it cannot be read."""
        try:
            record: bytes = self.reader.get_record(name)
        except RuntimeError as error:
            raise damage_error(self.path, f"{name}: {error}") from error
        return record


def damage_error(path: Path, why: str) -> SourceError:
    """Return the error for a file that is no program, or no longer."""
    rows = [("why", why.partition("\n")[0][:300]), ("next", STEP)]
    return SourceError(f"{path} is damaged, or no exported program", rows)


def read_archive(path: Path) -> Archive:
    """Return the records of a `.pt2` file. Raises SourceError where it is none."""
    if not is_file(path):
        raise SourceError(f"there is no file {path}", [("next", "name a .pt2 file that is there")])
    try:
        data = path.read_bytes()
    except (OSError, MemoryError) as error:
        raise damage_error(path, f"{type(error).__name__}: {error}") from error
    sizes = _list_records(path, data)
    try:
        make_reader: Any = torch._C.PyTorchFileReader
        reader = make_reader(io.BytesIO(data))
        names = set(reader.get_all_records())
    except (RuntimeError, ValueError) as error:
        raise damage_error(path, str(error)) from error
    if names != set(sizes):
        raise damage_error(path, "its two lists of records differ")
    return Archive(path, data, sizes, reader)


def _list_records(path: Path, data: bytes) -> dict[str, int]:
    """Return the records and their sizes, as the archive lists them at its end."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
        raise damage_error(path, str(error)) from error
    if not 0 < len(records) <= MOST_RECORDS:
        raise damage_error(path, f"it has {len(records)} records")
    root = records[0].filename.partition("/")[0]
    sizes: dict[str, int] = {}
    for record in records:
        folder, _, name = record.filename.partition("/")
        if folder != root or not name or name in sizes:
            raise damage_error(path, f"a record is called {record.filename[:100]!r}")
        if record.compress_type != zipfile.ZIP_STORED or record.file_size > len(data):
            raise damage_error(path, f"{name[:100]!r} is packed, or larger than the file")
        sizes[name] = record.file_size
    return sizes
