"""The tree of the user's modules with the Keras layers that stand for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torch2keras.conversion.record import Conversion
from torch2keras.graph.element_moves import describe_moves
from torch2keras.graph.ir import Origin
from torch2keras.keras_graph.graph import Call
from torch2keras.keras_graph.weight import Weight
from torch2keras.reporting.facts import KerasCall, kind_of_call
from torch2keras.verification.value_errors import ValueErrors


@dataclass(frozen=True)
class WeightFact:
    """A weight of a layer, and the tensor of the module that it is made of."""

    name: str
    shape: tuple[int, ...]
    tensors: tuple[str, ...]
    torch_shape: tuple[int, ...]
    moves: str
    """How its axes moved; empty where they stayed."""


@dataclass(frozen=True)
class CallFact:
    """A Keras call, with its weights."""

    call: KerasCall
    weights: tuple[WeightFact, ...]


@dataclass
class ModuleBranch:
    """One module with those within it; `meaning` and `numerics` are the worst errors of values.

    They are shares of what is allowed of an output; None where nothing was measured.
    """

    name: str
    path: str
    cls: str = ""
    source: str = ""
    text: str = ""
    """The line of source."""
    calls: list[CallFact] = field(default_factory=list)
    branches: dict[str, ModuleBranch] = field(default_factory=dict)
    meaning: float | None = None
    numerics: float | None = None

    def walk(self) -> Iterator[ModuleBranch]:
        """Yield it and all below it."""
        yield self
        for branch in self.branches.values():
            yield from branch.walk()

    @property
    def layer_count(self) -> int:
        """The number of Keras calls in it and below."""
        return sum(len(branch.calls) for branch in self.walk())

    def take_error(self, errors: ValueErrors) -> None:
        """Let the errors of a value within it count."""
        self.meaning = max(self.meaning or 0.0, errors.meaning.share_of_bound)
        self.numerics = max(self.numerics or 0.0, errors.numerics.share_of_bound)


def make_tree(conversion: Conversion, errors: Sequence[ValueErrors]) -> ModuleBranch:
    """Return the tree of a conversion, in the order in which the modules first run."""
    root = ModuleBranch("", "")
    for origin in _list_origins(conversion):
        branch = _walk_path(root, origin.path)[-1]
        branch.cls = branch.cls or origin.cls
        if origin.source and not branch.source:
            branch.source, branch.text = origin.source, origin.text
    for call in conversion.lowered.graph.calls:
        _walk_path(root, call.origin.path)[-1].calls.append(_describe_call(call))
    for found in errors:
        for branch in _walk_path(root, found.node.origin.path):
            branch.take_error(found)
    for branch in root.walk():
        branch.cls = branch.cls or conversion.facts.classes.get(branch.path, "")
    return root


def _list_origins(conversion: Conversion) -> Iterator[Origin]:
    yield from (node.origin for node in conversion.graph.nodes)
    yield from (call.origin for call in conversion.lowered.graph.calls)


def _walk_path(root: ModuleBranch, path: str) -> list[ModuleBranch]:
    """Return the branches on the way to a module, itself last; those that are missing are made."""
    way = [root]
    for name in filter(None, path.split(".")):
        above = way[-1]
        below = f"{above.path}.{name}" if above.path else name
        way.append(above.branches.setdefault(name, ModuleBranch(name, below)))
    return way


def _describe_call(call: Call) -> CallFact:
    weights = tuple(_describe_weight(name, weight) for name, weight in call.weights.items())
    return CallFact(KerasCall(kind_of_call(call), call.name), weights)


def _describe_weight(name: str, weight: Weight) -> WeightFact:
    constant = weight.constant
    given = constant.tensor.shape if constant.recipe is None else constant.data.shape
    moves = (*constant.moves, *weight.moves)
    return WeightFact(
        name, weight.shape, tuple(constant.paths), tuple(given), ", ".join(describe_moves(moves))
    )
