"""Files of weights: the state_dicts that one holds, of whichever library has saved it.

A `.safetensors` file holds one, and so does a folder of these. What `torch.save` writes may hold
more: Lightning keeps its own under "state_dict", training scripts keep an average of the weights
("ema") beside them. A file that would run something is refused, unless it is trusted; then a module
that was pickled whole counts as its state_dict. A dictionary in memory is taken for what such a
file holds.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch2keras.checkpoints.pickled_files import load_pickled
from torch2keras.checkpoints.safetensors_files import (
    SUFFIX,
    find_stem,
    read_folder,
    read_safetensors,
)
from torch2keras.errors import InputError, SourceError
from torch2keras.runtime.paths import is_file, is_folder

if TYPE_CHECKING:
    import torch

State = Mapping[str, "torch.Tensor"]

EMA = "ema"
"""What the name of averaged weights has in it."""


USUAL = ("state_dict", "model_state_dict", "model", "net", "weights", "params")
"""The entries that hold a state_dict, by the custom of their libraries; the first is taken."""


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
    was_trusted: bool = False
    """Whether what the file holds was run while it was read."""

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


def read_checkpoint(file: Path, *, trust: bool = False) -> Checkpoint:
    """Return the state_dicts of a file, or of a folder of safetensors.

    With `trust` a pickle is unpickled, whatever it runs. Raises SourceError where the file cannot
    be read, UnsafeFileError where it holds more than data.
    """
    if is_folder(file):
        return Checkpoint(file, {"": read_folder(file, find_stem(file))})
    if file.suffix == SUFFIX:
        return Checkpoint(file, {"": read_safetensors(file)})
    if not is_file(file):  # a pipe would block
        step = "name a .safetensors file, one that torch.save has written, or a folder of shards"
        raise SourceError(f"{file} is no file", [("next", step)])
    found = _make_checkpoint(file, load_pickled(file, trust=trust))
    return dataclasses.replace(found, was_trusted=trust)


def open_checkpoint(source: Any, *, trust: bool = False) -> Checkpoint:
    """Return the state_dicts of a file or folder, by its path, or of a dictionary in memory.

    A dictionary is one itself where none is in it. Raises InputError for anything else, and what
    `read_checkpoint` does.
    """
    if isinstance(source, str | os.PathLike):
        return read_checkpoint(Path(source).expanduser(), trust=trust)
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


class FoundState(NamedTuple):
    """A dictionary that has tensors by name, and what else is in it."""

    entry: str
    tensors: State
    objects: Mapping[str, Any]


def _find_states(loaded: Any, entry: str = "", depth: int = 0) -> Iterator[FoundState]:
    """Yield the state_dicts within what was loaded."""
    import torch

    if isinstance(loaded, torch.nn.Module):
        loaded = loaded.state_dict()
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
    """Return whether a value is a tensor of PyTorch's, or an array; a nested one has no shape."""
    if getattr(value, "is_nested", False):
        return False
    return hasattr(value, "shape") and hasattr(value, "dtype")


def describe_special(value: Any) -> str:
    """Return what a tensor is whose numbers do not stand in its memory one by one, else ""."""
    import torch

    if not isinstance(value, torch.Tensor):
        return ""
    if value.is_nested:
        return "a nested tensor"
    if value.is_meta:
        return "a tensor without numbers (meta)"
    if value.is_quantized:
        return "a quantized tensor"
    if value.layout is not torch.strided:
        return f"a tensor of the layout {value.layout}".replace("torch.", "")
    return ""
