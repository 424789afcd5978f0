"""KerasGraph: a Keras model as data, which `keras_model` builds and `source` writes as Python.

A call is a stock layer (`layers.Conv1D` with its configuration and weights) or a stock op
(`ops.softmax`), its arguments, and where in the user's module it comes from. Values are numbered in
the order in which they are made; the inputs come first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch2keras.graph.ir import Origin
from torch2keras.keras_graph.weight import Shape, Weight

GETITEM = "getitem"
"""The target of a call that indexes: `x[:, 1:]`. Its arguments are the value and the index."""

REFUSED = "refused"
"""The target of a call that stands for a refused op, where a graph is only inspected."""

RECURRENT = ("layers.LSTM", "layers.GRU", "layers.SimpleRNN", "layers.Bidirectional")
"""The targets of layers that run step by step along a dimension."""


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
    """A stock layer and its configuration, which may hold the specs of layers within it."""

    cls: str
    """The name of its class in keras.layers."""
    config: Mapping[str, Any]
    """The arguments of its constructor; of Bidirectional, `layer` is a LayerSpec."""


@dataclass(frozen=True)
class Call:
    """One call of a stock layer or op."""

    target: str
    """The name within `keras`, as "layers.Conv1D" or "ops.softmax"; or GETITEM, or REFUSED."""
    args: tuple[Any, ...]
    """Refs, Literals, Python values, and lists and tuples of them."""
    kwargs: Mapping[str, Any]
    outputs: tuple[int, ...]
    """The numbers of the values that it makes."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The arguments of a layer's constructor."""
    weights: Mapping[str, Weight] = field(default_factory=dict)
    """The weights of a layer, by attribute: "kernel", or "cell.kernel" of a layer within it."""
    dtype: str = ""
    """The dtype that a layer computes in."""
    trainable: bool = True
    name: str = ""
    """The name of a layer. Calls with one name are calls of one layer."""
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
        """Yield the number of each value that the call reads."""
        for item in self.leaves():
            if isinstance(item, Ref):
                yield item.index

    def leaves(self) -> Iterator[Any]:
        """Yield the arguments one by one, those in lists and tuples too."""
        for argument in (*self.args, *self.kwargs.values()):
            yield from _leaves(argument)


@dataclass(frozen=True)
class Input:
    """An input of the Keras model."""

    name: str
    shape: Shape
    """The sizes with the batch; None where dynamic."""
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
    policy: str = ""
    """Keras's policy of mixed precision, if its layers have one."""

    def last_reads(self) -> dict[int, int]:
        """Return, for each value that is read, the place of the last call that reads it."""
        places = {}
        for place, call in enumerate(self.calls):
            places.update(dict.fromkeys(call.reads(), place))
        return places

    def weights(self) -> Iterator[tuple[Call, str, Weight]]:
        """Yield each weight of each layer once, with the layer's first call and its attribute."""
        seen = set()
        for call in self.calls:
            if call.weights and call.name not in seen:
                seen.add(call.name)
                for attribute, weight in call.weights.items():
                    yield call, attribute, weight

    def literals(self) -> Sequence[Weight]:
        """Return the constants that are written into calls."""
        found = []
        for call in self.calls:
            found += [item.weight for item in call.leaves() if isinstance(item, Literal)]
        return found


def _leaves(argument: Any) -> Iterator[Any]:
    if isinstance(argument, list | tuple):
        for item in argument:
            yield from _leaves(item)
    else:
        yield argument


def map_refs(argument: Any, change: Callable[[Any], Any]) -> Any:
    """Return an argument with `change` applied to each Ref and Literal in it."""
    if isinstance(argument, Ref | Literal):
        return change(argument)
    if isinstance(argument, list | tuple):
        return type(argument)(map_refs(item, change) for item in argument)
    return argument


def find_recurrent_layers(calls: Iterable[Call]) -> tuple[str, ...]:
    """Return the names of the layers that run step by step, each once."""
    return tuple(dict.fromkeys(call.name for call in calls if call.target in RECURRENT))
