"""Files of weights: the state_dicts that one holds, of whichever library has saved it.

A `.safetensors` file holds one. What `torch.save` writes may hold more: Lightning keeps its own
under "state_dict", training scripts keep an average of the weights ("ema") beside them. It is read
with `weights_only=True`, which runs nothing; a file that needs more is refused.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2keras.checkpoints.safetensors_files import SUFFIX, read_safetensors
from torch2keras.errors import InputError, SourceError, UnsafeFileError
from torch2keras.runtime.paths import is_file

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
    """A file of weights."""

    file: Path
    states: Mapping[str, State]
    """The state_dicts by the entry that they stand in, as "ema.model"; "" for the file itself."""

    def list_entries(self) -> list[str]:
        """Return the entries: averaged weights first, then those with a usual name.

        Raises InputError where the file has none.
        """
        if not self.states:
            step = "name a file that holds a state_dict: torch.save(module.state_dict(), FILE)"
            raise InputError(f"{self.file} holds no weights by name", [("next", step)])
        return sorted(self.states, key=_rank_entry)


def _rank_entry(entry: str) -> tuple[bool, int]:
    last = entry.rpartition(".")[2]
    place = len(USUAL)
    if last in USUAL:
        place = USUAL.index(last)
    return EMA not in entry.lower(), place


def read_checkpoint(file: Path) -> Checkpoint:
    """Return the state_dicts of a file.

    Raises SourceError where it cannot be read, UnsafeFileError where it holds more than data.
    """
    if file.suffix == SUFFIX:
        return Checkpoint(file, {"": read_safetensors(file)})
    if not is_file(file):  # neither a folder nor a pipe, which would block
        step = "name a .safetensors file, or one that torch.save has written"
        raise SourceError(f"{file} is no file", [("next", step)])
    return Checkpoint(file, dict(_find_states(_load(file))))


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


def _find_states(loaded: Any, entry: str = "", depth: int = 0) -> Iterator[tuple[str, State]]:
    """Yield the state_dicts within what was loaded, each with its entry."""
    if not isinstance(loaded, Mapping) or depth > DEEPEST:
        return
    tensors = _select_tensors(loaded)
    if tensors:
        yield entry, tensors
    for key, value in loaded.items():
        if isinstance(key, str):
            yield from _find_states(value, f"{entry}.{key}".lstrip("."), depth + 1)


def _select_tensors(loaded: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors of a dictionary by name; none where its keys are no names."""
    import torch

    tensors: dict[str, torch.Tensor] = {}
    for key, value in loaded.items():
        if not isinstance(key, str):
            return {}
        if isinstance(value, torch.Tensor):
            tensors[key] = value
    return tensors
