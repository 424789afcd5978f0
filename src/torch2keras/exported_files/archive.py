"""The archive that a `.pt2` file is: its records, as PyTorch's own reader gives them.

The file is read into memory once, and that copy is both looked through and loaded: nobody can
exchange it in between. Nothing in it is packed, so no record is larger than the file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from torch2keras.errors import SourceError
from torch2keras.runtime.free_memory import require_bytes
from torch2keras.runtime.paths import is_file
from torch2keras.runtime.stored_records import list_stored_records

STEP = "write the file again with torch.export.save(program, FILE)"


COPIES = 2
"""How often the tensors of a file are in memory while it is loaded."""


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
    require_bytes(COPIES * path.stat().st_size, str(path))
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
        records = list_stored_records(io.BytesIO(data), len(data))
    except ValueError as error:
        raise damage_error(path, str(error)) from error
    root = next(iter(records)).partition("/")[0]
    sizes: dict[str, int] = {}
    for whole, size in records.items():
        folder, _, name = whole.partition("/")
        if folder != root or not name:
            raise damage_error(path, f"a record is called {whole[:100]!r}")
        sizes[name] = size
    return sizes
