"""The page of `torch2keras weights`: what a file holds, a line each tensor or weight."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch2keras.checkpoints.checkpoint_files import read_checkpoint
from torch2keras.errors import InputError, list_names
from torch2keras.keras_model.saving import SUFFIX as KERAS_SUFFIX
from torch2keras.runtime.optional_package import import_keras


@dataclass(frozen=True)
class TensorRow:
    """One tensor of a file."""

    entry: str
    """The dictionary of the file that it stands in; empty for the file itself."""
    name: str
    shape: tuple[int, ...]
    dtype: str

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return dataclasses.asdict(self)


class Page(NamedTuple):
    """What is printed of a file."""

    document: dict[str, Any]
    """As JSON."""
    text: str


def list_file(file: Path, entry: str = "") -> Page:
    """Return the page of a file of weights, or of a model that was saved with its map.

    Raises InputError for an entry of a model, and what `list_tensors` and
    `torch2keras.weights` do.
    """
    if file.suffix != KERAS_SUFFIX:
        tensors = list_tensors(file, entry)
        return Page({"tensors": [row.as_dict() for row in tensors]}, format_tensors(tensors))
    if entry:
        step = "leave --entry out: a model has one map"
        raise InputError(f"{file} has no entries", [("next", step)])
    import_keras()
    from torch2keras.conversion.weight_files.map_page import format_map, list_map
    from torch2keras.conversion.weight_files.saved_weights import SavedWeights

    weights = list_map(SavedWeights(file))
    return Page({"weights": [row.as_dict() for row in weights]}, format_map(weights))


def list_tensors(file: Path, entry: str = "") -> list[TensorRow]:
    """Return the tensors of a file, or of one of its entries, in its order.

    Raises SourceError or UnsafeFileError where it cannot be read, InputError where it has no
    tensors, or not that entry.
    """
    checkpoint = read_checkpoint(file)
    entries = checkpoint.list_entries()
    if entry and entry not in entries:
        known = list_names(list(filter(None, entries)))
        rows = [("entries", known), ("next", "name one of these, or none for all of them")]
        raise InputError(f"{file} has no entry {entry!r}", rows)
    if entry:
        entries = [entry]
    tensors: list[TensorRow] = []
    for found in entries:
        for name, tensor in checkpoint.states[found].items():
            dtype = str(tensor.dtype).removeprefix("torch.")
            tensors.append(TensorRow(found, name, tuple(tensor.shape), dtype))
    return tensors


def format_tensors(rows: Sequence[TensorRow]) -> str:
    """Return the page: the tensors of each entry, and how many numbers they are."""
    width = max(len(row.name) for row in rows)
    shapes = [str(list(row.shape)) for row in rows]
    across = max(map(len, shapes))
    lines: list[str] = []
    entry = ""
    for row, shape in zip(rows, shapes, strict=True):
        if row.entry != entry:
            entry = row.entry
            lines += ["", f"entry {entry!r}"]
        lines.append(f"{row.name:<{width}}  {shape:<{across}}  {row.dtype}")
    numbers = sum(math.prod(row.shape) for row in rows)
    return "\n".join([*lines, "", f"{len(rows)} tensors, {numbers:,} numbers"]).lstrip("\n")
