"""What `torch.save` has written, read as data: nothing in it is run unless it is trusted.

`weights_only=True` carries out no call but those that make tensors and containers. What such calls
may still do is to ask for memory, so an archive is looked through before, and is mapped, not read.
"""

from __future__ import annotations

import mmap
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

from torch2keras.errors import SourceError, UnsafeFileError
from torch2keras.runtime.mapped_memory import note_mapped
from torch2keras.runtime.quiet import keep_quiet
from torch2keras.runtime.stored_records import list_stored_records
from torch2keras.runtime.typed_errors import describe_exception

AGAIN = "get the file again, or save it again with torch.save"


GLOBAL = re.compile(r"GLOBAL (\S+)")
"""Where PyTorch's message names the class that it refuses."""


REFUSALS = ("for unrecognized function", "Can only build", "Can only SETITEM", "Can only create")
"""What it says of other instructions that it does not carry out."""


FILLS_MEMORY = re.compile(rb"c(?:__builtin__|builtins)\nbytearray\n")
"""The one class that `weights_only=True` takes, and that fills as much memory as it is told to."""


PROGRAM = "/constants.pkl"
"""What an archive of `torch.jit.save` has, behind the name of its folder."""


def load_pickled(file: Path, *, trust: bool = False) -> Any:
    """Return what `torch.save` has written, on the CPU and mapped where that can be.

    With `trust` it is unpickled by Python, which runs whatever the file holds. Raises SourceError
    for what is damaged, no such file, or TorchScript, UnsafeFileError where it is more than data.
    """
    import torch

    try:
        is_zip = zipfile.is_zipfile(file)  # before PyTorch 1.6 it was none, and cannot be mapped
        if is_zip:
            _check_records(file)
        if not trust:
            _refuse_filled_memory(file)
        with keep_quiet():
            loaded = torch.load(file, map_location="cpu", weights_only=not trust, mmap=is_zip)
    except (SourceError, UnsafeFileError):
        raise
    except pickle.UnpicklingError as error:
        raise _more_than_data(file, error) from error
    except MemoryError as error:
        step = "use a machine with more memory"
        raise SourceError(f"{file} does not fit into memory", [("next", step)]) from error
    except Exception as error:  # a damaged file is met as any of many
        raise _damage_error(file, describe_exception(error)) from error
    if is_zip:
        leaves = torch.utils._pytree.tree_leaves(loaded)
        note_mapped([leaf for leaf in leaves if type(leaf) in (torch.Tensor, torch.nn.Parameter)])
    return loaded


def _check_records(file: Path) -> None:
    """Raise SourceError for an archive of TorchScript, or one that is larger than its file."""
    try:
        with zipfile.ZipFile(file) as archive:
            is_program = any(name.endswith(PROGRAM) for name in archive.namelist())
        if not is_program:
            list_stored_records(file, file.stat().st_size)
    except (ValueError, zipfile.BadZipFile) as error:
        raise _damage_error(file, str(error)) from error
    if is_program:
        step = f"write torchscript:{file} as SOURCE, with --trust where you trust it"
        raise SourceError(f"{file} is TorchScript, a program with weights", [("next", step)])


def _refuse_filled_memory(file: Path) -> None:
    """Raise UnsafeFileError where a file could ask for more memory than it has bytes."""
    if not file.stat().st_size:
        return
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = FILLS_MEMORY.search(data)
    if found is not None:
        raise _unsafe(file, "a bytearray, which may be of any size")


def _damage_error(file: Path, why: str) -> SourceError:
    rows = [("python", why), ("next", AGAIN)]
    return SourceError(f"{file} is damaged, or nothing that torch.save has written", rows)


def _more_than_data(file: Path, error: pickle.UnpicklingError) -> SourceError | UnsafeFileError:
    """Return the error for a pickle that weights_only=True refuses."""
    text = str(error)
    found = GLOBAL.search(text)
    if found is not None:
        return _unsafe(file, f"an object of {found[1]}")
    if any(words in text for words in REFUSALS):
        return _unsafe(file, "calls of its own")
    return SourceError(f"{file} is damaged, or no file of weights", [("next", AGAIN)])


def _unsafe(file: Path, holds: str) -> UnsafeFileError:
    steps = (
        "ask for safetensors; where you trust it: --trust, or trust=True in Python; or save its "
        "weights alone, torch.save(torch.load(FILE, weights_only=False)[...], FILE), "
        "of a module module.state_dict()"
    )
    why = "reading a pickle that holds more than tensors can run any code"
    rows = [("holds", holds), ("why", why), ("next", steps)]
    return UnsafeFileError(f"{file} holds more than weights", rows)
