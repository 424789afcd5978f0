"""The weights of a file under the names that a module has for them.

What wraps a module leaves its name before theirs: "module." of DataParallel, "_orig_mod." of
torch.compile, the attribute of a LightningModule, "ema_model." of an average. The prefix is taken
under which the file has the most tensors of the module's names and shapes.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from operator import itemgetter, methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch2keras.checkpoints.checkpoint_files import (
    EMA,
    Checkpoint,
    State,
    describe_special,
    rank_entry,
    read_checkpoint,
)
from torch2keras.errors import InputError, SourceError, list_names, show_controls

if TYPE_CHECKING:
    from torch import nn

COMPILED = "_orig_mod."
"""What torch.compile puts before the names of a module, wherever it stands."""


COUNTER = "num_batches_tracked"
"""A buffer that older files lack, and that no output depends on."""


MOST_SHOWN = 5
"""The number of names that an error shows of each kind."""


@dataclass(frozen=True)
class WantedNames:
    """The entries of a module's state_dict."""

    shapes: Mapping[str, tuple[int, ...]]
    ties: Sequence[Sequence[str]] = ()
    """Names of one tensor, of which one is enough."""
    objects: frozenset[str] = frozenset()
    """Entries that are no tensors."""


@dataclass(frozen=True)
class LoadReport:
    """What was taken of a state_dict, by the names that the module has; printed as text."""

    note: str
    """Where the weights came from: the file, its entry, the prefix that was left out."""
    missing_keys: tuple[str, ...] = ()
    """Names of the module that were not given: these weights stay as they were."""
    unexpected_keys: tuple[str, ...] = ()
    """Names that were given, and that the module does not have."""
    mismatched_keys: tuple[str, ...] = ()
    """Names whose shape is another one in the module: these weights stay as they were."""
    details: Mapping[str, str] = field(default_factory=dict)
    """The same in lines to be read: shapes, and the names that are most like these."""

    @property
    def is_complete(self) -> bool:
        """Whether all names and shapes are those of the module."""
        return not (self.missing_keys or self.unexpected_keys or self.mismatched_keys)

    def require_complete(self, source: Path | str) -> None:
        """Raise InputError where names or shapes are others than those of the module."""
        if not self.is_complete:
            step = "build the module that was trained; torch2keras weights FILE lists the names"
            rows = [*self.details.items(), ("next", step)]
            raise InputError(f"the weights of {source} are not those of the module", rows)

    def __str__(self) -> str:
        lines = [self.note]
        for kind, text in self.details.items():
            first, *others = text.split("\n")
            lines.append(f"{kind:<8}{first}")
            lines += [f"{'':<8}{line}" for line in others]
        return show_controls("\n".join(lines))


@dataclass(frozen=True)
class FittedWeights:
    """What a source has for a module, by the module's own names, and what to say of it."""

    state: dict[str, Any]
    """All that fits."""
    report: LoadReport


def load_weights(module: nn.Module, file: Path, entry: str = "", *, trust: bool = False) -> str:
    """Copy the weights of a file into a module; return what was taken, for the report.

    `entry` is the dictionary of the file, or the prefix of its names, that is to be taken. With
    `trust` a pickle is unpickled, whatever it runs, and the note says so. Raises SourceError,
    UnsafeFileError or InputError as the file cannot be read or does not fit.
    """
    checkpoint = read_checkpoint(file, trust=trust)
    state = fit_module(checkpoint, module, entry)
    try:
        module.load_state_dict(state.state, strict=False)
    except Exception as error:  # the module's own code may take part
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise SourceError(
            f"the module does not take the weights of {file}",
            [("python", why), ("next", "load them in a function of your own, and name that one")],
        ) from error
    return state.report.note


def fit_module(checkpoint: Checkpoint, module: nn.Module, entry: str = "") -> FittedWeights:
    """Return the tensors that a module wants, by its own names.

    Raises InputError where some are missing, others are unexpected, or have another shape; it names
    those that are called alike.
    """
    fitted = fit_names(checkpoint, _read_wanted(module), entry)
    fitted.report.require_complete(checkpoint.source)
    return fitted


def _read_wanted(module: nn.Module) -> WantedNames:
    """Return the tensors of a module's state_dict."""
    import torch

    shapes: dict[str, tuple[int, ...]] = {}
    places: dict[Any, list[str]] = {}
    for name, value in module.state_dict().items():
        if isinstance(value, torch.Tensor):
            shapes[name] = tuple(value.shape)
            if value.numel():
                place = value.data_ptr(), shapes[name], value.stride()
                places.setdefault(place, []).append(name)
    return WantedNames(shapes, list(places.values()))


def fit_names(checkpoint: Checkpoint, wanted: WantedNames, entry: str = "") -> FittedWeights:
    """Return what of a checkpoint a module wants, by its own names.

    What is missing, unexpected or of another shape stands in the report. Where nothing fits, and
    the module is one that wraps another and has no tensors beside it, the names are those of the
    wrapped one. Raises InputError where `entry` is not there, where several places fit equally
    well, and where there are no weights.
    """
    fitted = _fit_plain_names(checkpoint, wanted, entry)
    wrapper = _find_wrapper(wanted)
    if not wrapper or not wanted.shapes.keys().isdisjoint(fitted.state):
        return fitted
    inner = fit_names(checkpoint, _unwrap_names(wanted, wrapper), entry)
    if not inner.report.is_complete:
        return fitted
    state = dict(zip(map(wrapper.__add__, inner.state), inner.state.values(), strict=True))
    note = f"{inner.report.note} In the module their names begin with {wrapper!r}."
    return FittedWeights(state, replace(inner.report, note=note))


def _find_wrapper(wanted: WantedNames) -> str:
    """Return what all names of a module begin with: "net." for one that wraps another."""
    name = next(iter(wanted.shapes), "")
    first, dot, _ = name.partition(".")
    wrapper = first + dot
    is_shared = dot and all(map(methodcaller("startswith", wrapper), wanted.shapes))
    return wrapper if is_shared else ""


def _unwrap_names(wanted: WantedNames, wrapper: str) -> WantedNames:
    """Return the names without what all of them begin with."""
    start = len(wrapper)
    ties = [tuple(map(itemgetter(slice(start, None)), names)) for names in wanted.ties]
    return replace(wanted, shapes=_strip(wanted.shapes, wrapper), ties=ties)


def _fit_plain_names(checkpoint: Checkpoint, wanted: WantedNames, entry: str) -> FittedWeights:
    """Return what of a checkpoint a module wants, whose names may have a prefix there."""
    place = _find_place(checkpoint, wanted, entry)
    given = _name_plainly(checkpoint.states[place.entry])
    objects = _strip(checkpoint.objects.get(place.entry, {}), place.prefix)
    known = wanted.shapes.keys() | wanted.objects
    others = {name: value for name, value in objects.items() if name in known}
    state = _strip(given, place.prefix) | others
    notes = [_describe_origin(checkpoint, place, len(state))]
    if any(COMPILED in name for name in checkpoint.states[place.entry]):
        notes.append(f"{COMPILED!r} is left out of their names.")
    left = [name for name in given if not name.startswith(place.prefix)]
    left += [name for name in objects if name not in known]
    if left:
        notes.append(f"Not taken: {list_names(left, MOST_SHOWN)}.")
    return _sort_names(state, wanted, " ".join(notes))


def _sort_names(state: dict[str, Any], wanted: WantedNames, note: str) -> FittedWeights:
    """Return what of a state fits, and a report of the rest."""
    missing = _find_missing(state, wanted)
    unexpected: list[str] = []
    shapes: dict[str, str] = {}
    fitting: dict[str, Any] = {}
    for name, value in state.items():
        ours = wanted.shapes.get(name)
        if ours is None and name not in wanted.objects:
            unexpected.append(name)
            continue
        special = describe_special(value)
        if special:
            shapes[name] = f"{name} is {special}"
            continue
        theirs = tuple(getattr(value, "shape", None) or ())
        if ours is not None and hasattr(value, "shape") and theirs != ours:
            shapes[name] = f"{name} {theirs}, in the module {ours}"
        else:
            fitting[name] = value
    details = {
        "missing": _list_with_close(missing, unexpected),
        "unknown": _list_with_close(unexpected, missing or list(wanted.shapes)),
        "shapes": "\n".join(_shorten(sorted(shapes.values()))),
    }
    details = {kind: text for kind, text in details.items() if text}
    report = LoadReport(note, tuple(missing), tuple(unexpected), tuple(shapes), details)
    return FittedWeights(fitting, report)


class FilePlace(NamedTuple):
    """Where in a file a module's weights stand."""

    entry: str
    prefix: str
    """Of the names there."""


def _find_place(checkpoint: Checkpoint, wanted: WantedNames, asked: str) -> FilePlace:
    """Return the place where most of the wanted names have their shapes.

    Raises InputError where what is asked for is neither an entry nor a prefix, and where nothing
    tells which of several places is meant.
    """
    entries = checkpoint.list_entries()
    if asked in entries and asked:
        entries = [asked]
    places: dict[FilePlace, int] = {}
    for entry in entries:
        given = _name_plainly(checkpoint.states[entry])
        for prefix, count in _count_fits(given, wanted.shapes).items():
            places[FilePlace(entry, prefix)] = count
    if asked and asked not in entries:
        places = {place: n for place, n in places.items() if place.prefix == f"{asked}."}
    if not places:
        raise _no_such_entry(checkpoint, asked)
    # Of places that are alike the averaged weights are taken, then the shortest prefix.
    best = max(places, key=lambda p: (places[p], EMA in p.prefix.lower(), -len(p.prefix)))
    if places[best] and (best.entry or best.prefix):
        rivals = [p for p in places if places[p] == places[best] and _rank(p) == _rank(best)]
        if len(rivals) > 1:
            raise _several_places(checkpoint, rivals)
    return best


def _rank(place: FilePlace) -> tuple[Any, ...]:
    """Return what says how likely the weights there are meant, but for their number."""
    return rank_entry(place.entry), EMA in place.prefix.lower()


def _several_places(checkpoint: Checkpoint, places: Sequence[FilePlace]) -> InputError:
    names = [place.entry or place.prefix.rstrip(".") for place in places]
    if len(set(names)) < len(names):
        names = [place.prefix.rstrip(".") for place in places]
    step = f"name one of these as entry: {names[0]}"
    return InputError(
        f"{checkpoint.source} has weights of this module in several places",
        [("places", list_names(names)), ("next", step)],
    )


def _no_such_entry(checkpoint: Checkpoint, asked: str) -> InputError:
    begins: dict[str, None] = {}
    for state in checkpoint.states.values():
        begins |= dict.fromkeys(name.partition(".")[0] for name in state)
    return InputError(
        f"{checkpoint.source} has no entry {asked!r}, and no names of the module that begin so",
        [
            ("entries", list_names([entry for entry in checkpoint.states if entry])),
            ("begins", list_names(list(begins))),
            ("next", "name one of these"),
        ],
    )


def _name_plainly(state: State) -> State:
    """Return a state_dict without the names that torch.compile puts in."""
    return {name.replace(COMPILED, ""): tensor for name, tensor in state.items()}


def _count_fits(given: State, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return for each prefix how many of the wanted names have their shapes under it."""
    fits: dict[str, int] = {"": 0}
    for name, tensor in given.items():
        parts = name.split(".")
        starts = accumulate(f"{part}." for part in parts[:-1])
        for prefix in ("", *starts):
            if wanted.get(name.removeprefix(prefix)) == tuple(tensor.shape):
                fits[prefix] = fits.get(prefix, 0) + 1
    return fits


def _strip(given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the entries under a prefix, without it."""
    state: dict[str, Any] = {}
    for name, value in given.items():
        if name.startswith(prefix):
            state[name.removeprefix(prefix)] = value
    return state


def _find_missing(state: Mapping[str, Any], wanted: WantedNames) -> list[str]:
    """Return the names that are not given, but for counters and other names of one tensor."""
    tied: set[str] = set()
    for names in wanted.ties:
        if not state.keys().isdisjoint(names):
            tied.update(names)
    missing: list[str] = []
    for name in wanted.shapes:
        is_needed = name not in state and name not in tied
        if is_needed and name.rpartition(".")[2] != COUNTER:
            missing.append(name)
    return missing


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
    text = f"The weights are {count} tensors of {checkpoint.source}"
    if place.entry:
        text += f", its entry {place.entry!r}"
    if place.prefix:
        text += f", without the prefix {place.prefix!r} of their names"
    others = [other for other in checkpoint.states if other not in ("", place.entry)]
    if others:
        text += f"; other entries are {list_names(others)}"
    if checkpoint.was_trusted:
        text += "; the file was trusted: whatever it holds was run while it was read"
    return f"{text}."
