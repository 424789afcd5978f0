"""The weights of a file under the names that a module has for them.

What wraps a module leaves its name before theirs: "module." of DataParallel, "_orig_mod." of
torch.compile, the attribute of a LightningModule, "ema_model." of an average. The prefix is taken
under which the file has the most tensors of the module's names and shapes.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from torch2keras.checkpoints.checkpoint_files import EMA, Checkpoint, State, read_checkpoint
from torch2keras.errors import InputError, SourceError, list_names

if TYPE_CHECKING:
    import torch
    from torch import nn

COMPILED = "_orig_mod."
"""What torch.compile puts before the names of a module, wherever it stands."""


COUNTER = "num_batches_tracked"
"""A buffer that older files lack, and that no output depends on."""


MOST_SHOWN = 5
"""The number of names that an error shows of each kind."""


@dataclass(frozen=True)
class FittedWeights:
    """The tensors of a file by a module's own names, and what to say of them."""

    state: dict[str, torch.Tensor]
    note: str


def load_weights(module: nn.Module, file: Path, entry: str = "") -> str:
    """Copy the weights of a file into a module; return what was taken, for the report.

    `entry` is the dictionary of the file, or the prefix of its names, that is to be taken. Raises
    SourceError, UnsafeFileError or InputError as the file cannot be read or does not fit.
    """
    checkpoint = read_checkpoint(file)
    wanted = _read_state(module)
    fitted = fit_names(checkpoint, wanted, entry)
    try:
        module.load_state_dict(fitted.state, strict=False)
    except Exception as error:  # the module's own code may take part
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise SourceError(
            f"the module does not take the weights of {file}",
            [("python", why), ("next", "load them in a function of your own, and name that one")],
        ) from error
    return fitted.note


def _read_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of a module's state_dict."""
    import torch

    state = module.state_dict()
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def fit_names(checkpoint: Checkpoint, wanted: State, entry: str = "") -> FittedWeights:
    """Return the tensors that a module wants, by its own names.

    `wanted` is its state_dict. Raises InputError where some are missing, others are unexpected, or
    have another shape; it names those that are called alike.
    """
    place = _find_place(checkpoint, wanted, entry)
    given = _name_plainly(checkpoint.states[place.entry])
    state = _strip(given, place.prefix)
    _require_fit(checkpoint.file, state, wanted)
    notes = [_describe_origin(checkpoint, place, len(state))]
    if any(COMPILED in name for name in checkpoint.states[place.entry]):
        notes.append(f"{COMPILED!r} is left out of their names.")
    left = [name for name in given if not name.startswith(place.prefix)]
    if left:
        notes.append(f"Not taken: {list_names(left, MOST_SHOWN)}.")
    return FittedWeights(state, " ".join(notes))


class FilePlace(NamedTuple):
    """Where in a file a module's weights stand."""

    entry: str
    prefix: str
    """Of the names there."""


def _find_place(checkpoint: Checkpoint, wanted: State, asked: str) -> FilePlace:
    """Return the place where most of the wanted names have their shapes.

    Raises InputError where what is asked for is neither an entry nor a prefix.
    """
    entries = checkpoint.list_entries()
    if asked in entries and asked:
        entries = [asked]
    places: dict[FilePlace, int] = {}
    for entry in entries:
        given = _name_plainly(checkpoint.states[entry])
        for prefix, count in _count_fits(given, wanted).items():
            places[FilePlace(entry, prefix)] = count
    if asked and asked not in entries:
        places = {place: n for place, n in places.items() if place.prefix == f"{asked}."}
    if not places:
        raise _no_such_entry(checkpoint, asked)
    # Of places that are alike the averaged weights are taken, then the shortest prefix.
    return max(places, key=lambda p: (places[p], EMA in p.prefix.lower(), -len(p.prefix)))


def _no_such_entry(checkpoint: Checkpoint, asked: str) -> InputError:
    begins: dict[str, None] = {}
    for state in checkpoint.states.values():
        begins |= dict.fromkeys(name.partition(".")[0] for name in state)
    return InputError(
        f"{checkpoint.file} has no entry {asked!r}, and no names of the module that begin so",
        [
            ("entries", list_names([entry for entry in checkpoint.states if entry])),
            ("begins", list_names(list(begins))),
            ("next", "name one of these"),
        ],
    )


def _name_plainly(state: State) -> State:
    """Return a state_dict without the names that torch.compile puts in."""
    return {name.replace(COMPILED, ""): tensor for name, tensor in state.items()}


def _count_fits(given: State, wanted: State) -> dict[str, int]:
    """Return for each prefix how many of the wanted names have their shapes under it."""
    fits: dict[str, int] = {"": 0}
    for name, tensor in given.items():
        parts = name.split(".")
        starts = accumulate(f"{part}." for part in parts[:-1])
        for prefix in ("", *starts):
            own = wanted.get(name.removeprefix(prefix))
            if own is not None and own.shape == tensor.shape:
                fits[prefix] = fits.get(prefix, 0) + 1
    return fits


def _strip(given: State, prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors under a prefix, without it."""
    state: dict[str, torch.Tensor] = {}
    for name, tensor in given.items():
        if name.startswith(prefix):
            state[name.removeprefix(prefix)] = tensor
    return state


def _require_fit(file: Path, state: State, wanted: State) -> None:
    """Raise InputError where names or shapes are others than those of the module."""
    missing = _find_missing(state, wanted)
    unexpected = [name for name in state if name not in wanted]
    shapes: list[str] = []
    for name in sorted(state.keys() & wanted.keys()):
        theirs, ours = tuple(state[name].shape), tuple(wanted[name].shape)
        if theirs != ours:
            shapes.append(f"{name} {theirs}, in the module {ours}")
    if not (missing or unexpected or shapes):
        return
    raise InputError(
        f"the weights of {file} are not those of the module",
        [
            ("missing", _list_with_close(missing, unexpected)),
            ("unknown", _list_with_close(unexpected, missing or list(wanted))),
            ("shapes", "\n".join(_shorten(shapes))),
            ("next", "build the module that was trained; torch2keras weights FILE lists the names"),
        ],
    )


def _find_missing(state: State, wanted: State) -> list[str]:
    """Return the names that the file lacks, but for counters and other names of one tensor."""
    places = {_place_of(wanted[name]) for name in state.keys() & wanted.keys()}
    missing: list[str] = []
    for name, tensor in wanted.items():
        is_tied = _place_of(tensor) in places and tensor.numel() > 0
        if name not in state and not is_tied and name.rpartition(".")[2] != COUNTER:
            missing.append(name)
    return missing


def _place_of(tensor: torch.Tensor) -> tuple[object, ...]:
    """Return what two names of one tensor have in common."""
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride()


def _list_with_close(names: Sequence[str], others: Sequence[str]) -> str:
    """Return the first names, a line each, with the one of the others that is most like it."""
    lines: list[str] = []
    for name in names[:MOST_SHOWN]:
        close = difflib.get_close_matches(name, others, n=1, cutoff=0.6)
        lines.append(f"{name} (like {close[0]})" if close else name)
    if len(names) > MOST_SHOWN:
        lines.append(f"and {len(names) - MOST_SHOWN} more")
    return "\n".join(lines)


def _shorten(lines: Sequence[str]) -> list[str]:
    if len(lines) <= MOST_SHOWN:
        return list(lines)
    return [*lines[:MOST_SHOWN], f"and {len(lines) - MOST_SHOWN} more"]


def _describe_origin(checkpoint: Checkpoint, place: FilePlace, count: int) -> str:
    text = f"The weights are {count} tensors of {checkpoint.file}"
    if place.entry:
        text += f", its entry {place.entry!r}"
    if place.prefix:
        text += f", without the prefix {place.prefix!r} of their names"
    others = [other for other in checkpoint.states if other not in ("", place.entry)]
    if others:
        text += f"; --entry takes another one: {list_names(others)}"
    return f"{text}."
