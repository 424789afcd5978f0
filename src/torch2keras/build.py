"""KerasGraph -> keras.Model, in any float dtype."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from torch2keras.blank import Blank
from torch2keras.double import OPS_IN_FULL, exchanged, in_full, split_groups, widen_scale
from torch2keras.errors import LoweringError
from torch2keras.keras_graph import Call, KerasGraph, Literal, Ref, Weight, map_refs
from torch2keras.loops import loops, step_by_step
from torch2keras.names import sanitize, unique
from torch2keras.nesting import Segment, nested
from torch2keras.recorder import LayerCall


def build(graph: KerasGraph, dtype: str | None = None) -> tuple[keras.Model, Mapping[str, keras.Layer]]:
    """The Functional model, with its weights, and its layers by name.

    `dtype` exchanges the graph's float dtype.
    """
    make = Layers(graph, dtype)
    inputs = [
        keras.Input(batch_shape=i.shape, dtype=make.swap.get(i.dtype, i.dtype), name=i.name) for i in graph.inputs
    ]
    items = nested(graph)
    values: dict[int, Any] = dict(enumerate(inputs))
    execute(items, values, Scope(make, set(graph.outputs), set(make.names())))
    outputs = [values[i] for i in graph.outputs]
    model = keras.Model(single(inputs), single(outputs), name=graph.name)
    if any(i.shape and i.shape[0] is not None for i in graph.inputs):
        # Keras checks all sizes of an input but the first, where it is fixed too.
        model.input_spec = [
            keras.InputSpec(shape=i.shape, name=i.name, allow_last_axis_squeeze=len(i.shape) > 1) for i in graph.inputs
        ]
    make.load()
    return model, make.made


def single(items: Sequence[Any]) -> Any:
    """One item alone is not wrapped."""
    return items[0] if len(items) == 1 else list(items)


@dataclass
class Scope:
    """What the building of nested models needs: the layers, the values read from outside, the names that are taken."""

    layers: Layers
    outside: set[int]
    names: set[str]


def execute(items: Sequence[Call | Segment], values: dict[int, Any], scope: Scope) -> None:
    """Run calls on symbolic tensors; each segment becomes a nested model, called at once."""
    needed: dict[int, set[int]] = {}
    wanted = set(scope.outside)
    for number, item in reversed(list(enumerate(items))):
        if isinstance(item, Segment):
            needed[number] = set(wanted)
        wanted.update(i for call in (item.calls() if isinstance(item, Segment) else (item,)) for i in call.reads())
    for number, item in enumerate(items):
        if isinstance(item, Segment):
            _execute_segment(item, values, scope, needed[number])
        else:
            _execute_call(item, values, scope.layers)


def _execute_call(call: Call, values: dict[int, Any], layers: Layers) -> None:
    try:
        run_call(call, values, layers, layers.swap)
    except Exception as error:
        raise LoweringError(
            f"Keras refuses keras.{call.target} here: {error}",
            [*call.origin.rows(), ("next", "where a shape has None, leave this dimension out of dynamic_shapes")],
        ) from error


def _execute_segment(segment: Segment, values: dict[int, Any], scope: Scope, needed: set[int]) -> None:
    calls = list(segment.calls())
    made = {i for call in calls for i in call.outputs}
    taken = list(dict.fromkeys(i for call in calls for i in call.reads() if i not in made))
    given = [i for call in calls for i in call.outputs if i in needed]
    inner = {i: keras.Input(batch_shape=values[i].shape, dtype=values[i].dtype) for i in taken}
    inputs = list(inner.values())
    execute(segment.items, inner, Scope(scope.layers, set(given), scope.names))
    name = unique(sanitize(segment.path), scope.names)
    scope.names.add(name)
    model = keras.Model(single(inputs), single([inner[i] for i in given]), name=name)
    results = model(single([values[i] for i in taken]))
    values |= dict(zip(given, results if len(given) > 1 else [results], strict=True))


class Layers:
    """The layers of a graph, made when first called, each once.

    With `in_turn`, layers that are alike but for the values of their weights are one layer, which takes the weights
    of each call when it is called: making a layer takes longer than filling it.
    """

    def __init__(self, graph: KerasGraph, dtype: str | None = None, *, in_turn: bool = False) -> None:
        self.graph, self.swap, self.in_turn = graph, exchanged(graph.float_dtype, dtype), in_turn
        self.made: dict[str, keras.Layer] = {}
        self.running: dict[str, Callable[..., Any]] = {}
        self.blank = Blank()
        self.filled: dict[str, str] = {}

    def __call__(self, call: Call, key: str | None = None) -> keras.Layer:
        """The layer of a call; `key` is what it is kept by, its name unless given."""
        key = key or call.name
        if key not in self.made:
            dtype = self.swap.get(call.dtype, call.dtype)
            layer = LayerCall(call.target.removeprefix("layers."), call.config).made(dtype, name=call.name)
            self.blank.add(layer)
            if not call.trainable:
                layer.trainable = False
            if dtype == "float64":
                widen_scale(layer)
                split_groups(layer)
            self.made[key] = layer
            self.running[key] = step_by_step(layer) if loops([call]) else layer
        return self.made[key]

    def names(self) -> Iterator[str]:
        """The names of all layers and inputs."""
        yield from (call.name for call in self.graph.calls if call.is_layer)
        yield from (i.name for i in self.graph.inputs)

    def loaded(self, call: Call) -> Callable[..., Any]:
        """The layer of a call, which takes its weights before it is first called, on real tensors too."""
        full = in_full(call) if self.swap.get(call.dtype) == "float64" else None
        if full is not None:
            return full

        def run_layer(*args: Any, **kwargs: Any) -> Any:
            shapes = [tuple(a.shape) for a in args if hasattr(a, "shape")]
            key = _kind(call, shapes) if self.in_turn and call.weights else call.name
            layer = self(call, key)
            if call.weights and self.filled.get(key) != call.name:
                if not layer.built:
                    layer.build(*shapes)
                for attribute, weight in call.weights.items():
                    assign(variable(layer, attribute), weight)
                self.filled[key] = call.name
            return self.running[key](*args, **kwargs)

        return run_layer

    def load(self) -> None:
        """Copy the weights into all layers that are built."""
        for call, attribute, weight in self.graph.weights():
            assign(variable(self.made[call.name], attribute), weight)
        self.blank.restore()


def _kind(call: Call, shapes: Sequence[tuple[int, ...]]) -> str:
    """All of a layer but the values of its weights; Keras builds it for the ranks of its inputs."""
    weights = {attribute: weight.shape for attribute, weight in call.weights.items()}
    return repr((call.target, call.config, call.dtype, weights, [len(s) for s in shapes]))


def variable(layer: keras.Layer, attribute: str) -> keras.Variable:
    """A weight of a layer, or "cell.kernel" of a layer within it."""
    return operator.attrgetter(attribute)(layer)


def assign(to: keras.Variable, weight: Weight) -> None:
    """Copy a weight, in the variable's own dtype."""
    to.assign(weight.array(keras.backend.standardize_dtype(to.dtype)))


def run(
    graph: KerasGraph,
    inputs: Sequence[Any],
    layer_of: Callable[[Call], Callable[..., Any]],
    dtype: str | None = None,
    *,
    keep: bool = True,
) -> Mapping[int, Any]:
    """Execute the calls on real tensors; all values by number, or, unless to `keep`, its outputs."""
    swap = exchanged(graph.float_dtype, dtype)
    values: dict[int, Any] = dict(enumerate(inputs))
    last_read = graph.last_reads()
    for n, call in enumerate(graph.calls):
        try:
            run_call(call, values, layer_of, swap)
        except Exception as error:
            next_step = "report it with this message; convert(..., verify=False) gives the model as it is"
            raise LoweringError(
                f"keras.{call.target} fails when it is run: {error}", [*call.origin.rows(), ("next", next_step)]
            ) from error
        if not keep:
            for i in {i for i in call.reads() if last_read[i] == n}.difference(graph.outputs):
                del values[i]  # or all of them would be in memory at once
    return values


def run_call(
    call: Call, values: dict[int, Any], layer_of: Callable[[Call], Callable[..., Any]], swap: Mapping[str, str]
) -> None:
    """Execute one call; its results join the values."""

    def resolve(item: Ref | Literal) -> Any:
        if isinstance(item, Ref):
            return values[item.index]
        return item.weight.array(swap.get(item.weight.dtype, item.weight.dtype))

    args = [map_refs(a, resolve) for a in call.args]
    kwargs = {k: map_refs(v, resolve) for k, v in call.kwargs.items()}
    result = layer_of(call)(*args, **kwargs) if call.is_layer else _op(call.target, args, kwargs, swap)
    results = result if isinstance(result, list | tuple) else (result,)
    values |= dict(zip(call.outputs, results, strict=True))


def _op(target: str, args: list[Any], kwargs: Mapping[str, Any], swap: Mapping[str, str]) -> Any:
    kwargs = {k: swap.get(v, v) if k == "dtype" and isinstance(v, str) else v for k, v in kwargs.items()}
    if target == "getitem":
        return operator.getitem(*args)
    if target == "ops.cast":
        args = [args[0], swap.get(args[1], args[1])]
    if target in OPS_IN_FULL and "float64" in swap.values():
        return OPS_IN_FULL[target](*args, **kwargs)
    return getattr(keras.ops, target.removeprefix("ops."))(*args, **kwargs)


def to_numpy(tensor: Any) -> np.ndarray:
    """A backend tensor as NumPy; bfloat16 as float32."""
    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = keras.ops.cast(tensor, "float32")
    return np.asarray(keras.ops.convert_to_numpy(tensor))
