"""A keras.Model of any make as a flat list of steps, each one layer or op on numbered values.

Nested models are read into their parts, a subclassed model or layer too where its `call` runs on
symbolic tensors; one that does not stays a single step. An activation within a layer is a step of
its own, as it is where a layer stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from torch2keras.errors import InputError
from torch2keras.keras_graph.graph import Ref

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
    noted: dict[int, tuple[Any, int]] = field(default_factory=dict)
    """The layers that are called on symbolic tensors here, and how often they were before."""

    def add_value(self, shape: Sequence[int | None], dtype: str) -> int:
        """Return the number of a new value."""
        number = len(self.shapes)
        self.shapes[number] = tuple(shape)
        self.dtypes[number] = str(dtype)
        return number


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
    return graph


def _read_model(graph: LayerGraph) -> None:
    """Add the steps of the whole model."""
    ends = _find_ends(graph.model)
    if ends is None:
        ends = _trace_model(graph)
    inputs, outputs = ends
    graph.inputs = tuple(graph.add_value(t.shape, t.dtype) for t in inputs)
    values = {id(t): number for t, number in zip(inputs, graph.inputs, strict=True)}
    _read_nodes(graph, outputs, values, "")
    graph.outputs = tuple(values[id(t)] for t in outputs)


def _find_ends(model: Any) -> tuple[list[Any], list[Any]] | None:
    """Return the symbolic inputs and outputs of a Functional or Sequential model, else None."""
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if not inputs or not outputs:
        return None
    return keras.tree.flatten(inputs), keras.tree.flatten(outputs)


def _trace_model(graph: LayerGraph) -> tuple[list[Any], list[Any]]:
    """Return symbolic inputs of a subclassed model, and what its `call` makes of them."""
    model = graph.model
    shapes = _call_shapes(model)
    if shapes is None:
        raise InputError(
            f"the inputs of the subclassed model {model.name!r} are not known",
            [("next", "call it once on an input, or write it as a Functional model")],
        )
    inputs = [keras.Input(batch_shape=(None, *shape[1:])) for shape in shapes]
    outputs = _call_symbolic(graph, model, tuple(inputs), {})
    if outputs is None:
        raise InputError(
            f"the graph of the subclassed model {model.name!r} cannot be read",
            [
                ("why", "its call uses other than layers and keras.ops"),
                ("next", "write call with keras.ops alone, or as a Functional model"),
            ],
        )
    return inputs, outputs


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
) -> list[Any] | None:
    """Return what a layer's own `call` makes of symbolic tensors; None where it cannot."""
    for part in _sublayers(layer):
        nodes = part._inbound_nodes  # noqa: SLF001 - it has no public name
        graph.noted.setdefault(id(part), (part, len(nodes)))
    try:
        result = layer.call(*args, **kwargs)
    except Exception:  # noqa: BLE001 - a stranger's call may raise anything
        return None
    tensors = keras.tree.flatten(result)
    return tensors if all(keras.utils.is_keras_tensor(t) for t in tensors) else None


def _sublayers(layer: Any) -> list[Any]:
    """Return the layers within a layer, at any depth."""
    return list(layer._flatten_layers(include_self=False))  # noqa: SLF001 - public of models alone


def find_leaf_layers(layer: Any) -> list[Any]:
    """Return the layers with weights of their own within a layer, in the order of their making."""
    if not isinstance(layer, keras.Layer) or not _is_composite(layer):
        return [layer]
    return [part for part in _sublayers(layer) if part.weights and not _is_composite(part)]


def _is_composite(operation: Any) -> bool:
    """Whether a layer is made of others by its author; Keras's own layers are one piece."""
    if isinstance(operation, keras.Model):
        return True
    is_keras = type(operation).__module__.startswith("keras.")
    return isinstance(operation, keras.Layer) and not is_keras and bool(_sublayers(operation))


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
    if _is_composite(operation):
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
    ends = _find_ends(layer)
    given = node.arguments.keras_tensors
    if ends is None:
        traced = _call_symbolic(graph, layer, node.arguments.args, _plain_arguments(node))
        if traced is None:
            return None
        ends = list(given), traced
    inner = {id(own): values[id(outer)] for own, outer in zip(ends[0], given, strict=True)}
    _read_nodes(graph, ends[1], inner, f"{prefix}{layer.name}/")
    return [inner[id(t)] for t in ends[1]]


def _plain_arguments(node: Any) -> dict[str, Any]:
    """Return the keywords of a call, without those that Keras's `__call__` has put in for None."""
    return {name: value for name, value in node.arguments.kwargs.items() if value is not None}
