"""Files of weights: the state_dicts that one holds, of whichever library has saved it.

A `.safetensors` file holds one, and so does a folder of these. What `torch.save` writes may hold
more: Lightning keeps its own under "state_dict", training scripts keep an average of the weights
("ema") beside them. It is read with `weights_only=True`, which runs nothing; a file that needs more
is refused. A dictionary in memory is taken for what such a file holds.
"""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch2keras.checkpoints.safetensors_files import (
    SUFFIX,
    find_stem,
    read_folder,
    read_safetensors,
)
from torch2keras.errors import InputError, SourceError, UnsafeFileError
from torch2keras.runtime.paths import is_file, is_folder

if TYPE_CHECKING:
    import torch

State = Mapping[str, "torch.Tensor"]

EMA = "ema"
"""What the name of averaged weights has in it."""


USUAL = ("state_dict", "model_state_dict", "model", "net", "weights", "params")
"""The entries that hold a state_dict, by the custom of their libraries; the first is taken."""


GLOBAL = re.compile(r"GLOBAL (\S+)")
"""Where PyTorch's message names the class that it refuses."""


REFUSALS = ("for unrecognized function", "Can only build", "Can only SETITEM")
"""What it says of other instructions that it does not carry out."""


DEEPEST = 2
"""The number of dictionaries that a state_dict may stand within."""


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights, or a dictionary that holds some."""

    source: Path | str
    """What messages call it."""
    states: Mapping[str, State]
    """The state_dicts by the entry that they stand in, as "ema.model"; "" for the file itself."""
    objects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What is no tensor beside them, by the same entries."""

    def list_entries(self) -> list[str]:
        """Return the entries: averaged weights first, then those with a usual name.

        Raises InputError where the file has none.
        """
        if not self.states:
            step = "name a file that holds a state_dict: torch.save(module.state_dict(), FILE)"
            raise InputError(f"{self.source} holds no weights by name", [("next", step)])
        return sorted(self.states, key=rank_entry)


def rank_entry(entry: str) -> tuple[bool, int]:
    """Return a key that sorts the entries whose weights are meant more likely before others."""
    last = entry.rpartition(".")[2]
    place = len(USUAL)
    if last in USUAL:
        place = USUAL.index(last)
    return EMA not in entry.lower(), place


def read_checkpoint(file: Path) -> Checkpoint:
    """Return the state_dicts of a file, or of a folder of safetensors.

    Raises SourceError where it cannot be read, UnsafeFileError where it holds more than data.
    """
    if is_folder(file):
        return Checkpoint(file, {"": read_folder(file, find_stem(file))})
    if file.suffix == SUFFIX:
        return Checkpoint(file, {"": read_safetensors(file)})
    if not is_file(file):  # a pipe would block
        step = "name a .safetensors file, one that torch.save has written, or a folder of shards"
        raise SourceError(f"{file} is no file", [("next", step)])
    return _make_checkpoint(file, _load(file))


def open_checkpoint(source: Any) -> Checkpoint:
    """Return the state_dicts of a file or folder, by its path, or of a dictionary in memory.

    A dictionary is one itself where none is in it. Raises InputError for anything else, and what
    `read_checkpoint` does.
    """
    if isinstance(source, str | os.PathLike):
        return read_checkpoint(Path(source).expanduser())
    if not isinstance(source, Mapping):
        step = "give a mapping of names to tensors, or the path of a file that holds one"
        raise InputError(f"a {type(source).__name__} is no state_dict", [("next", step)])
    checkpoint = _make_checkpoint("this state_dict", source)
    if checkpoint.states:
        return checkpoint
    names = {name: value for name, value in source.items() if isinstance(name, str)}
    return Checkpoint(checkpoint.source, {"": {}}, {"": names})


def _make_checkpoint(source: Path | str, loaded: Any) -> Checkpoint:
    states: dict[str, State] = {}
    objects: dict[str, Mapping[str, Any]] = {}
    for found in _find_states(loaded):
        states[found.entry] = found.tensors
        objects[found.entry] = found.objects
    return Checkpoint(source, states, objects)


def _load(file: Path) -> Any:
    """Return what `torch.save` has written, on the CPU and mapped where that can be."""
    import torch

    if _is_torchscript(file):
        step = f"write torchscript:{file} as SOURCE"
        raise SourceError(f"{file} is TorchScript, a program with weights", [("next", step)])
    try:
        is_zip = zipfile.is_zipfile(file)  # before PyTorch 1.6 it was none, and cannot be mapped
        return torch.load(file, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise _more_than_data(file, error) from error
    except MemoryError as error:
        step = "use a machine with more memory"
        raise SourceError(f"{file} does not fit into memory", [("next", step)]) from error
    except Exception as error:  # a damaged file is met as any of many
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        step = "get the file again, or save it again with torch.save"
        raise SourceError(
            f"{file} is damaged, or nothing that torch.save has written",
            [("python", why), ("next", step)],
        ) from error


def _is_torchscript(file: Path) -> bool:
    """Return whether a file is an archive of code, as torch.jit.save writes it."""
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _more_than_data(file: Path, error: pickle.UnpicklingError) -> SourceError | UnsafeFileError:
    """Return the error for a pickle that weights_only=True refuses."""
    text = str(error)
    found = GLOBAL.search(text)
    if found is None and not any(words in text for words in REFUSALS):
        step = "get the file again, or save it again with torch.save"
        return SourceError(f"{file} is damaged, or no file of weights", [("next", step)])
    why = "reading a pickle that holds more than tensors can run any code"
    step = (
        "where you trust it, load it with torch.load(FILE, weights_only=False), "
        "and save its weights alone: torch.save(module.state_dict(), FILE)"
    )
    holds = ""
    if found is not None:
        holds = f"an object of {found[1]}"
    return UnsafeFileError(
        f"{file} holds more than weights", [("holds", holds), ("why", why), ("next", step)]
    )


class FoundState(NamedTuple):
    """A dictionary that has tensors by name, and what else is in it."""

    entry: str
    tensors: State
    objects: Mapping[str, Any]


def _find_states(loaded: Any, entry: str = "", depth: int = 0) -> Iterator[FoundState]:
    """Yield the state_dicts within what was loaded."""
    if not isinstance(loaded, Mapping) or depth > DEEPEST:
        return
    if all(isinstance(key, str) for key in loaded):
        tensors = {key: value for key, value in loaded.items() if _is_tensor(value)}
        objects = {key: value for key, value in loaded.items() if key not in tensors}
        if tensors:
            yield FoundState(entry, tensors, objects)
    for key, value in loaded.items():
        if isinstance(key, str):
            yield from _find_states(value, f"{entry}.{key}".lstrip("."), depth + 1)


def _is_tensor(value: Any) -> bool:
    """Return whether a value is a tensor of PyTorch's, or an array."""
    return hasattr(value, "shape") and hasattr(value, "dtype")
