"""What forward calls in train mode alone: noise, dropped paths, other branches.

A module is converted as it is in eval mode; dropout and batch normalization are layers of Keras
that know of training themselves. Whatever else differs would be lost without a word, so every
function of PyTorch that forward calls is recorded in both modes, with its place, and compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from torch2keras.errors import list_names
from torch2keras.fx_passes.source_lines import SourceLine, find_current_place

DROPOUTS = (
    *("dropout", "dropout1d", "dropout2d", "dropout3d"),
    *("alpha_dropout", "feature_alpha_dropout"),
)

KNOWN: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(DROPOUTS, frozenset({"training"})),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), frozenset({"6", "7"})),
    "batch_norm": frozenset({"training", "momentum", "1", "2"}),
}
"""Functions whose Keras layers know of training -> their arguments that tell, by name or place."""

ATTENTION = "multi_head_attention_forward"
"""Where it stays whole, its dropout is that of Keras's layer."""

NO_DROPOUT = ("10", "0.0")
"""Its argument `dropout_p`, by its place."""

ATTRIBUTES = frozenset({"__get__", "__set__"})
"""What a mode is told of reading and writing an attribute of a tensor."""


@dataclass(frozen=True)
class Place:
    """A line of the user's, in the module at `path` of class `kind`."""

    path: str
    kind: str
    line: SourceLine | None


@dataclass(frozen=True)
class RecordedCall:
    """One call of a function of PyTorch: `numbers` are its arguments that are no tensors."""

    place: Place
    name: str
    numbers: tuple[tuple[str, str], ...]


class CallRecorder(TorchFunctionMode):
    """Records the calls within; `paths` tells the path of a module by its id."""

    def __init__(self, paths: Mapping[int, str]) -> None:
        super().__init__()
        self.paths = paths
        self.calls: Counter[RecordedCall] = Counter()

    def find_place(self) -> Place | None:
        """Return where forward stands; None within a batch normalization."""
        module, line = find_current_place()
        if _BatchNorm in type(module).__mro__:
            return None
        return Place(self.paths.get(id(module), ""), type(module).__name__, line)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", type(func).__name__)
        if name not in ATTRIBUTES:
            place = self.find_place()
            if place is not None:
                self.calls[RecordedCall(place, name, _read_numbers(args, kwargs))] += 1
        return func(*args, **kwargs)


def _read_numbers(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return (name or place, what it is) of arguments that are numbers, flags, words or None."""
    given = {**dict(zip(map(str, range(len(args))), args, strict=True)), **kwargs}
    kinds = (bool, int, float, str, type(None))
    return tuple((name, repr(value)) for name, value in given.items() if type(value) in kinds)


@dataclass(frozen=True)
class TrainOnly:
    """Calls that modules of one class make in one mode and not in the other, or otherwise."""

    modules: tuple[Place, ...]
    """The places of the first of these calls in each module."""
    names: tuple[str, ...]

    @property
    def paths(self) -> frozenset[str]:
        """The paths of the modules."""
        return frozenset(place.path for place in self.modules)

    def keep_modules_above(self, paths: Collection[str]) -> TrainOnly | None:
        """Return it for the modules at these paths, or with one of them below; None for none."""
        kept = []
        for place in self.modules:
            prefix = f"{place.path}." if place.path else ""
            if place.path in paths or any(path.startswith(prefix) for path in paths):
                kept.append(place)
        return replace(self, modules=tuple(kept)) if kept else None

    def note(self) -> str:
        """Return the sentence for the report."""
        first = self.modules[0]
        where = f" ({first.line.place})" if first.line else ""
        modules = list_names([place.path or "the module itself" for place in self.modules], 3)
        return (
            f"In train mode {modules} ({first.kind}) does otherwise than in eval mode, by "
            f"{list_names(self.names, 4)}{where}: the Keras model computes as in eval mode, "
            "in training too."
        )


def pair_differing(
    in_eval: Counter[RecordedCall], in_train: Counter[RecordedCall]
) -> Iterator[tuple[RecordedCall | None, RecordedCall | None]]:
    """Yield (call in train mode, the call in its place in eval mode) where they differ.

    One of them is None where it is in the other mode alone. What Keras's layers know of themselves
    is left out.
    """
    more, fewer = in_train - in_eval, in_eval - in_train
    twins: defaultdict[tuple[Place, str], list[RecordedCall]] = defaultdict(list)
    for call in fewer.elements():
        twins[call.place, call.name].append(call)
    for call in more.elements():
        others = twins[call.place, call.name]
        twin = others.pop() if others else None
        if twin is None or not _is_known(call, twin):
            yield call, twin
    for others in twins.values():
        for twin in others:
            yield None, twin


def compare_modes(
    in_eval: Counter[RecordedCall], in_train: Counter[RecordedCall]
) -> Iterator[TrainOnly]:
    """Yield class by class what differs, but for what Keras's layers know of themselves.

    Of modules within one that is named already nothing more is told.
    """
    differing = []
    for call, twin in pair_differing(in_eval, in_train):
        found = call or twin
        assert found is not None, "one of the two is there"
        differing.append(found)
    paths = {call.place.path for call in differing}
    by_kind: defaultdict[str, list[RecordedCall]] = defaultdict(list)
    for call in differing:
        if not any(call.place.path.startswith(f"{path}.") for path in paths if path):
            by_kind[call.place.kind].append(call)
    for calls in by_kind.values():
        firsts: dict[str, Place] = {}
        for call in calls:
            firsts.setdefault(call.place.path, call.place)
        names = tuple(dict.fromkeys(call.name for call in calls))
        yield TrainOnly(tuple(firsts.values()), names)


def _is_known(one: RecordedCall, other: RecordedCall) -> bool:
    """Return whether two calls differ in nothing but what Keras's layer knows of training."""
    changed = {name for name, _ in set(one.numbers) ^ set(other.numbers)}
    if one.name == ATTENTION and NO_DROPOUT in one.numbers:
        return changed == {"training"}
    return changed <= KNOWN.get(one.name, frozenset())
