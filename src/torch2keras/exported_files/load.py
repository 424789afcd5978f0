"""A `.pt2` file as an ExportedProgram: looked through byte by byte first, then loaded.

`torch.export.load` runs code of a file by many ways: pickled weights, constants and inputs, objects
of classes, compiled libraries, symbolic sizes, guards, names that become Python code, calls of any
function of `torch`, containers that import what they name. All are looked for here, and refused.
"""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from torch._export.serde import schema

from torch2keras.errors import Torch2KerasError, UnsafeFileError
from torch2keras.exported_files.archive import STEP, Archive, damage_error, read_archive
from torch2keras.exported_files.fields import Fault, find_fault
from torch2keras.exported_files.payloads import (
    CONSTANTS,
    PREFIXES,
    WEIGHTS,
    check_example_inputs,
    find_payload_fault,
)
from torch2keras.runtime.quiet import keep_quiet
from torch2keras.workarounds.triton_import import load_exporter

MODEL = "model"
"""What `torch.export.save` calls its program."""

PROGRAM = f"models/{MODEL}.json"
LISTS = {
    f"{WEIGHTS}{MODEL}_weights_config.json": WEIGHTS,
    f"{CONSTANTS}{MODEL}_constants_config.json": CONSTANTS,
}
"""The records that list weights and constants -> the folder of those."""

PLAIN = frozenset(
    {
        PROGRAM, *LISTS, f"data/sample_inputs/{MODEL}.pt", "archive_format", "archive_version",
        ".data/version", "byteorder", ".data/serialization_id",
    }
)  # fmt: skip
"""The records of a program beside its tensors."""

EXTRA = "extra/"
"""Where files lie that a program's author has added; they are texts."""


def load_exported_program(path: Path, *, trust: bool = False) -> torch.export.ExportedProgram:
    """Return the program of a `.pt2` file, with the inputs that it was exported with.

    With `trust` the file is not looked through: whatever it holds is run.
    Raises UnsafeFileError where reading it could run something, SourceError where it is damaged or
    no such file.
    """
    archive = read_archive(path)
    if not trust:
        check_archive(archive)
    load_exporter()
    try:
        with keep_quiet():
            return torch.export.load(io.BytesIO(archive.data))
    except Exception as error:
        raise damage_error(path, f"{type(error).__name__}: {error}") from error


def check_archive(archive: Archive) -> None:
    """Raise UnsafeFileError where loading an archive could run something."""
    names = [name for name in archive.sizes if not _is_plain_record(name)]
    if names:
        raise _unsafe(archive, Fault(names[0][:100], "a record that is no tensor and no program"))
    program = _read_json(archive, PROGRAM)
    _require(archive, find_fault(schema.ExportedProgram, program))
    for name, folder in LISTS.items():
        listed = _read_json(archive, name)
        _require(archive, find_fault(schema.PayloadConfig, listed, name))
        try:
            fault = find_payload_fault(archive, listed["config"], folder)
        except (KeyError, TypeError, AttributeError) as error:
            raise damage_error(archive.path, f"{name}: {error!r}") from error
        _require(archive, fault)
    _check_inputs(archive)


def _is_plain_record(name: str) -> bool:
    folder, slash, file = name.rpartition("/")
    if name in PLAIN or name.startswith(EXTRA):
        return True
    return folder + slash in (WEIGHTS, CONSTANTS) and file.startswith(PREFIXES)


def _read_json(archive: Archive, name: str) -> Any:
    if name not in archive.sizes:
        raise damage_error(archive.path, f"it has no record {name}")
    try:
        return json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise damage_error(archive.path, f"{name}: {error}") from error


def _check_inputs(archive: Archive) -> None:
    """Raise UnsafeFileError where the example inputs are more than data."""
    try:
        with keep_quiet():
            check_example_inputs(archive, MODEL)
    except pickle.UnpicklingError as error:
        what = str(error).partition("\n")[0][:100]
        raise _unsafe(archive, Fault(f"data/sample_inputs/{MODEL}.pt", what)) from error
    except Torch2KerasError:
        raise
    except Exception as error:
        raise damage_error(archive.path, f"{type(error).__name__}: {error}") from error


def _require(archive: Archive, fault: Fault | None) -> None:
    if fault is not None:
        raise _unsafe(archive, fault)


def _unsafe(archive: Archive, fault: Fault) -> UnsafeFileError:
    rows = [
        ("place", fault.place),
        ("holds", fault.what),
        ("why", "torch.export.load would evaluate, import or unpickle it"),
        ("next", f"{STEP} where the module is; a file that you trust: --trust"),
    ]
    return UnsafeFileError(f"{archive.path} holds more than a program and its weights", rows)
