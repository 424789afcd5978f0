"""KerasGraph: a Keras model as data. `build` makes the model of it, and `codegen` the source.

A call is a stock layer (`layers.Conv1D` with its configuration and weights) or a stock op (`ops.softmax`), its
arguments, and where in the user's module it comes from. Values are numbered in the order in which they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch2keras.graph.ir import Origin
from torch2keras.keras_graph.weight import Shape, Weight


@dataclass(frozen=True)
class Ref:
    """A value of the graph, as an argument of a call."""

    index: int


@dataclass(frozen=True)
class Literal:
    """A small constant written into the call."""

    weight: Weight


@dataclass(frozen=True)
class LayerSpec:
    """A stock layer and its configuration, which may hold the specs of layers within it (Bidirectional, say)."""

    cls: str
    """The name of its class in keras.layers."""
    config: Mapping[str, Any]
    """The arguments of its constructor."""


@dataclass(frozen=True)
class Call:
    """One call of a stock layer or op."""

    target: str
    """"layers.Conv1D" or "ops.softmax"; "getitem" for slicing."""
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[int, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    """Of a layer: the arguments of its constructor."""
    weights: Mapping[str, Weight] = field(default_factory=dict)
    """Of a layer: attribute -> weight."""
    dtype: str = ""
    """Of a layer: the dtype that it computes in."""
    trainable: bool = True
    name: str = ""
    """Of a layer. Calls with one name are calls of one layer."""
    origin: Origin = field(default_factory=Origin)

    @property
    def is_layer(self) -> bool:
        """Whether this is the call of a layer, and not of an op."""
        return self.target.startswith("layers.")

    @property
    def layer(self) -> LayerSpec:
        """The layer that is called."""
        return LayerSpec(self.target.removeprefix("layers."), self.config)

    def reads(self) -> Iterator[int]:
        """The values that the call reads."""
        for argument in (*self.args, *self.kwargs.values()):
            yield from _refs(argument)


@dataclass(frozen=True)
class Input:
    """An input of the Keras model."""

    name: str
    shape: Shape
    """With the batch; None where dynamic."""
    dtype: str


@dataclass(frozen=True)
class KerasGraph:
    """A whole Keras model; inputs are the values 0, 1, ..."""

    name: str
    inputs: tuple[Input, ...]
    calls: tuple[Call, ...]
    outputs: tuple[int, ...]
    float_dtype: str = "float32"
    """The dtype that is exchanged when the model is built in another precision."""

    def last_reads(self) -> dict[int, int]:
        """By value that is read: the place of the last call that reads it."""
        return {i: n for n, call in enumerate(self.calls) for i in call.reads()}

    def weights(self) -> Iterator[tuple[Call, str, Weight]]:
        """Each weight of each layer once."""
        seen = set()
        for call in self.calls:
            if call.weights and call.name not in seen:
                seen.add(call.name)
                for attribute, weight in call.weights.items():
                    yield call, attribute, weight

    def literals(self) -> Sequence[Weight]:
        """The constants that are written into calls."""
        found: list[Weight] = []

        def look(item: Any) -> None:
            if isinstance(item, Literal):
                found.append(item.weight)

        for call in self.calls:
            map_refs([*call.args, *call.kwargs.values()], look)
        return found


def _refs(argument: Any) -> Iterator[int]:
    if isinstance(argument, Ref):
        yield argument.index
    elif isinstance(argument, list | tuple):
        for item in argument:
            yield from _refs(item)


def map_refs(argument: Any, change: Callable[[Any], Any]) -> Any:
    """An argument with each Ref and Literal in it exchanged."""
    if isinstance(argument, Ref | Literal):
        return change(argument)
    if isinstance(argument, list | tuple):
        return type(argument)(map_refs(item, change) for item in argument)
    return argument


LAYERS = ("layers.LSTM", "layers.GRU", "layers.SimpleRNN", "layers.Bidirectional")


def find_recurrent_layers(calls: Iterable[Call]) -> tuple[str, ...]:
    """The names of the layers that run step by step."""
    return tuple(dict.fromkeys(call.name for call in calls if call.target in LAYERS))
