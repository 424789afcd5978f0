"""A keras.Model of any make as a flat list of steps, each one layer or op on numbered values.

Nested models are read into their parts, a subclassed model or layer too where its `call` runs on
symbolic tensors; one that does not stays a single step. A weight that such a layer has of its own
is a value like others. An activation within a layer is a step of its own, as it is where a layer
stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from torch2keras.errors import InputError
from torch2keras.keras_graph.graph import Ref
from torch2keras.twins.own_weights import (
    WeightSource,
    find_own_weights,
    find_sublayers,
    hold_symbols,
)

Shape = tuple[int | None, ...]

FUSED = "activation"
"""The attribute in which a layer has the function that it applies to its result."""

WITH_ACTIVATION = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)
"""The layers whose activation is applied last."""


@dataclass(frozen=True, eq=False)
class LayerStep:
    """One call of a layer or op."""

    operation: Any
    name: str
    """The layer's name, behind those of the models that it is nested in: "encoder/dense"."""
    args: tuple[Any, ...]
    """Refs to values and Python values, and lists, tuples and dicts of them."""
    kwargs: Mapping[str, Any]
    inputs: tuple[int, ...]
    """The numbers of the values that it reads, in the order of its arguments."""
    outputs: tuple[int, ...]
    is_linear: bool = False
    """Whether the layer's activation is left out here, and is the next step."""

    @property
    def kind(self) -> str:
        """The name of the class of the layer or op."""
        return type(self.operation).__name__


@dataclass(eq=False)
class LayerGraph:
    """A model as steps; values are numbered, the inputs first."""

    model: keras.Model
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    steps: list[LayerStep] = field(default_factory=list)
    shapes: dict[int, Shape] = field(default_factory=dict)
    dtypes: dict[int, str] = field(default_factory=dict)
    made: dict[int, LayerStep] = field(default_factory=dict)
    """For each value that is computed the step that makes it."""
    readers: dict[int, list[LayerStep]] = field(default_factory=dict)
    """For each value the steps that read it."""
    noted: dict[int, tuple[Any, int]] = field(default_factory=dict)
    """The layers that are called on symbolic tensors here, and how often they were before."""
    sources: dict[int, int] = field(default_factory=dict)
    """The values of weights that a stranger's layer has of its own, by the `id` of the variable."""

    def add_value(self, shape: Sequence[int | None], dtype: str) -> int:
        """Return the number of a new value."""
        number = len(self.shapes)
        self.shapes[number] = tuple(shape)
        self.dtypes[number] = str(dtype)
        return number

    def add_source(self, layer: Any, variable: Any, name: str) -> int:
        """Return the number of a weight's value, which is one wherever it is read."""
        number = self.sources.get(id(variable))
        if number is None:
            number = self.add_value(variable.shape, variable.dtype)
            source = WeightSource(layer, variable)
            self.steps.append(LayerStep(source, name, (), {}, (), (number,)))
            self.sources[id(variable)] = number
        return number


@dataclass(frozen=True)
class SymbolicEnds:
    """The symbolic tensors of a model or layer that is looked into."""

    inputs: list[Any]
    outputs: list[Any]
    weights: list[tuple[Any, Any]] = field(default_factory=list)
    """Its own variables, and the tensors that stand for them."""


def read_steps(model: keras.Model) -> LayerGraph:
    """Return a model as steps, in an order in which they can run; the model stays as it was.

    Raises InputError for a model that is not built, or that is called with other than tensors.
    """
    if not model.built:
        raise InputError(
            f"the Keras model {model.name!r} has no weights yet",
            [("next", "call it once on an input, or build it: model.build(input_shape)")],
        )
    graph = LayerGraph(model)
    try:
        _read_model(graph)
    finally:
        # A call on symbolic tensors is noted by each layer; `layer.output` is read off that.
        for layer, count in graph.noted.values():
            del layer._inbound_nodes[count:]  # noqa: SLF001 - it has no public name
        graph.noted.clear()
    for step in graph.steps:
        graph.made.update(dict.fromkeys(step.outputs, step))
        for number in set(step.inputs):
            graph.readers.setdefault(number, []).append(step)
    return graph


def _read_model(graph: LayerGraph) -> None:
    """Add the steps of the whole model."""
    ends = _find_ends(graph.model)
    if ends is None:
        ends = _trace_model(graph)
    graph.inputs = tuple(graph.add_value(t.shape, t.dtype) for t in ends.inputs)
    values = {id(t): number for t, number in zip(ends.inputs, graph.inputs, strict=True)}
    _add_sources(graph, graph.model, ends, values, "")
    _read_nodes(graph, ends.outputs, values, "")
    graph.outputs = tuple(values[id(t)] for t in ends.outputs)


def _add_sources(
    graph: LayerGraph, layer: Any, ends: SymbolicEnds, values: dict[int, int], prefix: str
) -> None:
    """Add the steps that give a layer's own weights."""
    for variable, tensor in ends.weights:
        name = prefix + variable.name
        values[id(tensor)] = graph.add_source(layer, variable, name)


def _find_ends(model: Any) -> SymbolicEnds | None:
    """Return the symbolic inputs and outputs of a Functional or Sequential model, else None."""
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        return None
    return SymbolicEnds(keras.tree.flatten(inputs), keras.tree.flatten(outputs))


def _trace_model(graph: LayerGraph) -> SymbolicEnds:
    """Return symbolic inputs of a subclassed model, and what its `call` makes of them."""
    model = graph.model
    shapes = _call_shapes(model)
    if shapes is None:
        raise InputError(
            f"the inputs of the subclassed model {model.name!r} are not known",
            [("next", "call it once on an input, or write it as a Functional model")],
        )
    inputs = [keras.Input(batch_shape=(None, *shape[1:])) for shape in shapes]
    traced = _call_symbolic(graph, model, tuple(inputs), {})
    if traced is None:
        raise InputError(
            f"the graph of the subclassed model {model.name!r} cannot be read",
            [
                ("why", "its call uses other than layers and keras.ops"),
                ("next", "write call with keras.ops alone, or as a Functional model"),
            ],
        )
    return traced


def _call_shapes(model: keras.Model) -> list[tuple[int | None, ...]] | None:
    """Return the shapes of the inputs that a subclassed model was built for."""
    config = model.get_build_config() or {}
    if config.get("input_shape"):
        given = config["input_shape"]
        return [tuple(given)] if not isinstance(given[0], list | tuple) else list(given)
    shapes = config.get("shapes_dict") or {}
    return [tuple(shape) for shape in shapes.values()] or None


def _call_symbolic(
    graph: LayerGraph, layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> SymbolicEnds | None:
    """Return what a layer's own `call` makes of symbolic tensors; None where it cannot."""
    for part in find_sublayers(layer):
        nodes = part._inbound_nodes  # noqa: SLF001 - it has no public name
        graph.noted.setdefault(id(part), (part, len(nodes)))
    try:
        with hold_symbols(layer) as weights:
            result = layer.call(*args, **kwargs)
    except Exception:  # noqa: BLE001 - a stranger's call may raise anything
        return None
    tensors = keras.tree.flatten(result)
    if not all(keras.utils.is_keras_tensor(t) for t in tensors):
        return None
    return SymbolicEnds(list(args), tensors, weights)


def find_parts(layer: Any) -> list[Any]:
    """Return what has weights within a layer that cannot be looked into, in order of making.

    Keras's own layers are one piece; a stranger's own weights come as sources.
    """
    if not is_stranger(layer):
        return [layer] if layer.weights else []
    found: list[Any] = [WeightSource(layer, variable) for variable in find_own_weights(layer)]
    for part in find_sublayers(layer, deep=False):
        found += find_parts(part)
    return found


def is_stranger(operation: Any) -> bool:
    """Whether a layer is not Keras's own, and has weights or layers within."""
    if isinstance(operation, keras.Model):
        return True
    if not isinstance(operation, keras.Layer):
        return False
    if type(operation).__module__.startswith("keras.src.layers."):
        return False
    return bool(operation.weights or find_sublayers(operation))


def _list_nodes(outputs: Sequence[Any], known: Mapping[int, int]) -> list[Any]:
    """Return the nodes that make the outputs, each behind those that it reads."""
    order: list[Any] = []
    seen: set[int] = set()
    stack: list[tuple[Any, bool]] = [(t, False) for t in reversed(list(outputs))]
    while stack:
        item, is_done = stack.pop()
        if is_done:
            order.append(item)
            continue
        if id(item) in known:
            continue
        history = item._keras_history  # noqa: SLF001 - where Keras keeps it, without a public name
        node = history.operation._inbound_nodes[history.node_index]  # noqa: SLF001 - see above
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.append((node, True))
        stack += [(t, False) for t in reversed(node.arguments.keras_tensors)]
    return order


def _read_nodes(
    graph: LayerGraph, outputs: Sequence[Any], values: dict[int, int], prefix: str
) -> None:
    """Add the steps that make some symbolic tensors; `values` are the numbers of those known."""
    for node in _list_nodes(outputs, values):
        if isinstance(node.operation, keras.layers.InputLayer):
            continue
        numbers = _read_node(graph, node, values, prefix)
        values.update(zip(map(id, node.outputs), numbers, strict=True))


def _read_node(
    graph: LayerGraph, node: Any, values: Mapping[int, int], prefix: str
) -> Sequence[int]:
    """Add the steps of one node, and return the numbers of its results."""
    operation = node.operation
    if is_stranger(operation):
        numbers = _read_composite(graph, node, values, prefix)
        if numbers is not None:
            return numbers

    def resolve(item: Any) -> Any:
        if keras.utils.is_keras_tensor(item):
            return Ref(values[id(item)])
        return item

    args = keras.tree.map_structure(resolve, node.arguments.args)
    kwargs = keras.tree.map_structure(resolve, node.arguments.kwargs)
    inputs = tuple(values[id(t)] for t in node.arguments.keras_tensors)
    outputs = tuple(graph.add_value(t.shape, t.dtype) for t in node.outputs)
    name = prefix + operation.name
    is_linear = has_fused_activation(operation)
    step = LayerStep(operation, name, tuple(args), kwargs, inputs, outputs, is_linear)
    graph.steps.append(step)
    if not is_linear:
        return outputs
    activation = keras.layers.Activation(operation.activation, dtype=operation.dtype_policy)
    result = graph.add_value(node.outputs[0].shape, node.outputs[0].dtype)
    graph.steps.append(LayerStep(activation, name, (Ref(outputs[0]),), {}, outputs, (result,)))
    return (result,)


def has_fused_activation(operation: Any) -> bool:
    """Whether a layer applies a function to its result that is not the identity."""
    if not isinstance(operation, WITH_ACTIVATION):
        return False
    return operation.activation is not keras.activations.linear


def _read_composite(
    graph: LayerGraph, node: Any, values: Mapping[int, int], prefix: str
) -> Sequence[int] | None:
    """Add the steps within a nested model or layer; None where it cannot be looked into."""
    layer = node.operation
    given = node.arguments.keras_tensors
    ends = _find_ends(layer)
    if ends is None:
        traced = _call_symbolic(graph, layer, node.arguments.args, _plain_arguments(node))
        if traced is None:
            return None
        ends = SymbolicEnds(list(given), traced.outputs, traced.weights)
    inner = {id(own): values[id(outer)] for own, outer in zip(ends.inputs, given, strict=True)}
    path = f"{prefix}{layer.name}/"
    _add_sources(graph, layer, ends, inner, path)
    _read_nodes(graph, ends.outputs, inner, path)
    return [inner[id(t)] for t in ends.outputs]


def _plain_arguments(node: Any) -> dict[str, Any]:
    """Return the keywords of a call, without those that Keras's `__call__` has put in for None."""
    return {name: value for name, value in node.arguments.kwargs.items() if value is not None}
