"""How each weight of a Keras layer is made of PyTorch's tensors: as data, and as code that copies.

Layers whose weights are made in the same way, but for the path of their module, are copied in a
loop over the names of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Any

import torch
from torch import nn

from torch2keras.explanation.tensor_text import TensorWriter, find_state_tensor
from torch2keras.explanation.weight_text import find_way
from torch2keras.graph.interpreter import find_paths
from torch2keras.keras_graph.graph import Call, KerasGraph, LayerSpec
from torch2keras.keras_graph.source.expressions import (
    constant_text,
    list_text,
    quote,
    tuple_text,
)
from torch2keras.keras_graph.source.identifiers import find_free_name
from torch2keras.keras_graph.source.wrapping import wrap_statement
from torch2keras.keras_graph.weight import Weight

SPATIAL = "dhw"
"""The axes of a kernel in space, of which a layer of fewer has the last."""

SOURCE_AXES = (
    ("Depthwise", ()),
    ("Transpose", ("in", "out")),
    ("Conv", ("out", "in")),
    ("Dense", ("out", "in")),
)
"""Part of a Keras layer's name -> the first axes of PyTorch's kernel; the first that fits holds."""

GATES = {
    "LSTM": "the gates i, f, g, o are Keras's i, f, c, o",
    "GRU": "the gates r, z, n come in Keras's order z, r, h",
}
"""The gates along the columns of a recurrent layer's weights."""

COMPUTED = {
    torch.ops.aten.add.Tensor: "Keras has the sum",
    torch.ops.aten.stack.default: "Keras has both in one",
}
"""What is said of a weight that is computed of several tensors."""

UNCHANGED = "as it is"

NAMES = frozenset(
    ["keras", "layers", "ops", "np", "nn", "torch", "build", "model", "layer", "state"]
)
"""The names that the code has for something else."""


@dataclass(frozen=True)
class WeightCopy:
    """How one Keras weight is made of PyTorch's tensors."""

    layer: str
    """The name of the Keras layer."""
    keras: str
    """Its class and the attribute, as `Conv1D.kernel`."""
    torch: str
    """The names of the tensors in the state_dict."""
    expression: str
    """A NumPy expression of `state`, the module's state_dict."""
    shape: tuple[int, ...]
    axes: str
    """What becomes of the axes of the PyTorch tensor."""


@dataclass(frozen=True)
class LayerCopy:
    """The code that copies the weights of one Keras layer."""

    name: str
    path: str
    """The module that all of its tensors are of."""
    variable: str
    lines: tuple[str, ...]
    """Statements on `variable`, the layer."""
    general: tuple[str, ...]
    """The same with `path` for the module: equal for layers that are copied in one way."""


def list_weight_copies(module: nn.Module, graph: KerasGraph) -> Iterator[WeightCopy]:
    """Yield how each weight of the graph's layers is made of the module's tensors."""
    writer = TensorWriter(module, set(NAMES))
    for call, attribute, weight in graph.weights():
        expression = writer.write(weight)
        yield WeightCopy(
            layer=call.name,
            keras=f"{call.layer.cls}.{attribute}",
            torch=", ".join(find_paths(weight.constant)),
            expression=expression,
            shape=weight.shape,
            axes=describe_axes(call, attribute, weight),
        )


def write_copies(module: nn.Module, graph: KerasGraph, *, is_nested: bool) -> list[str]:
    """Return the lines that copy the weights of `layer`, the PyTorch module, into `model`.

    `is_nested` tells that layers of the model stand in models within it.
    """
    copies = list(_copy_layers(module, graph))
    fixed = list_fixed_tensors(module, graph)
    if not copies and not fixed:
        return []
    lines = [*_state_lines(module, graph), "", *_write_checks(module, fixed)]
    find = "model.get_layer({})"
    if is_nested:
        find = "parts[{}]"
        lines = [*_find_parts(), *lines]
    groups: dict[tuple[str, ...], list[LayerCopy]] = {}
    for copy in copies:
        groups.setdefault(copy.general, []).append(copy)
    for group in groups.values():
        lines += _write_group(group, find)
        lines.append("")
    return lines[:-1]


def list_fixed_tensors(module: nn.Module, graph: KerasGraph) -> list[Weight]:
    """Return the numbers within calls that are made of the module's parameters and buffers."""
    found: dict[Any, Weight] = {}
    for weight in graph.literals():
        paths = find_paths(weight.constant)
        if any(find_state_tensor(module, path) is not None for path in paths):
            found.setdefault(weight.key, weight)
    return list(found.values())


def _write_checks(module: nn.Module, fixed: Sequence[Weight]) -> list[str]:
    """Return the lines that hold tensors of the layer to the numbers that stand in the model."""
    if not fixed:
        return []
    lines = ["# These stand in `build` as numbers, and have to be the same ones in `layer`."]
    writer = TensorWriter(module, set(NAMES))
    for weight in fixed:
        expression = writer.write(weight)
        lines += writer.lines
        values = constant_text(weight.values().tolist())
        check = f"np.testing.assert_allclose({expression}, {values}, rtol=1e-6)"
        lines += wrap_statement(0, check)
    return [*lines, ""]


def _copy_layers(module: nn.Module, graph: KerasGraph) -> Iterator[LayerCopy]:
    """Yield the code for each layer with weights."""
    for _, rows in groupby(graph.weights(), key=lambda row: row[0].name):
        weights = list(rows)
        call = weights[0][0]
        paths: list[str] = []
        for *_, weight in weights:
            paths += find_paths(weight.constant)
        path = _common_module(paths)
        variable = find_free_name(_variable_name(call.layer.cls), NAMES)
        yield LayerCopy(
            name=call.name,
            path=path,
            variable=variable,
            lines=tuple(_assignments(module, variable, weights, None)),
            general=tuple(_assignments(module, variable, weights, path)),
        )


def _variable_name(keras_class: str) -> str:
    """Return `conv1d_transpose` for Conv1DTranspose."""
    return re.sub(r"(?<=[a-z]{2}|\dD)(?=[A-Z])", "_", keras_class).lower()


def _assignments(
    module: nn.Module,
    variable: str,
    weights: Sequence[tuple[Call, str, Weight]],
    prefix: str | None,
) -> Iterator[str]:
    """Yield the statements that assign a layer's weights, with a comment on what moves."""
    writer = TensorWriter(module, {*NAMES, variable, "name", "path"}, prefix)
    for call, attribute, weight in weights:
        expression = writer.write(weight, attribute.rpartition(".")[2])
        yield from writer.lines
        axes = describe_axes(call, attribute, weight)
        if axes not in ("", UNCHANGED):
            yield f"# {attribute.rpartition('.')[2]}: {axes}"
        yield f"{variable}.{attribute}.assign({expression})"


def _common_module(paths: Sequence[str]) -> str:
    """Return the innermost module that all tensors are of."""
    owners = [path.split(".")[:-1] for path in paths]
    same = takewhile(lambda names: len(set(names)) == 1, zip(*owners, strict=False))
    return ".".join(names[0] for names in same)


def _write_group(group: Sequence[LayerCopy], find: str) -> list[str]:
    """Return the lines for layers that are copied in one way."""
    first = group[0]
    if len(group) == 1:
        lines = wrap_statement(0, f"{first.variable} = {find.format(quote(first.name))}")
        return [*lines, *_wrap_lines(0, first.lines)]
    rows = [tuple_text([quote(copy.name), quote(copy.path)]) for copy in group]
    lines = wrap_statement(0, f"for name, path in {list_text(rows)}:")
    body = [f"{first.variable} = {find.format('name')}", *first.general]
    return [*lines, *_wrap_lines(4, body)]


def _wrap_lines(indent: int, lines: Sequence[str]) -> list[str]:
    wrapped = []
    for line in lines:
        if line.startswith("#"):
            wrapped.append(" " * indent + line)
        else:
            wrapped += wrap_statement(indent, line)
    return wrapped


def _state_lines(module: nn.Module, graph: KerasGraph) -> list[str]:
    """Return the statements that make `state`: of the state_dict, or of all tensors by name.

    The latter where buffers are read that the state_dict lacks.
    """
    paths: set[str] = set()
    weights = [weight for *_, weight in graph.weights()]
    for weight in [*weights, *list_fixed_tensors(module, graph)]:
        paths.update(find_paths(weight.constant))
    held = {path: find_state_tensor(module, path) for path in paths}
    array = "tensor.numpy(force=True)"
    if any(tensor is not None and tensor.dtype is torch.bfloat16 for tensor in held.values()):
        array = "tensor.float().numpy(force=True)"
    saved = module.state_dict()
    if all(path in saved or tensor is None for path, tensor in held.items()):
        source = "layer.state_dict().items()"
        return [f"state = {{key: {array} for key, tensor in {source}}}"]
    return [
        "named = list(layer.named_parameters(remove_duplicate=False))",
        "named += layer.named_buffers(remove_duplicate=False)",
        f"state = {{key: {array} for key, tensor in named}}",
    ]


def _find_parts() -> list[str]:
    """Return the statements that find the layers of a model within its nested models too."""
    return [
        "parts = [model]",
        "for part in parts:",
        '    parts += getattr(part, "layers", [])',
        "parts = {part.name: part for part in parts}",
    ]


def describe_axes(call: Call, attribute: str, weight: Weight) -> str:
    """Return what becomes of the axes of the tensors that a weight is made of.

    It is empty where the expression of NumPy says it all.
    """
    owner, _, kind = attribute.rpartition(".")
    keras_class = unwrap_layer(call.layer).cls
    way = find_way(weight)
    said = []
    constant = weight.constant
    if constant.recipe is not None:
        said.append(COMPUTED.get(constant.recipe[0].op, "computed as PyTorch does"))
    elif way is not None and way.shape is None and not way.part and _stays(way.order):
        return UNCHANGED
    if owner and keras_class in GATES:
        said.append(GATES[keras_class])
    elif kind == "kernel" and way is not None and way.shape is None:
        said.append(_name_axes(keras_class, way.order, call.config.get("groups", 1)))
    return "; ".join(filter(None, said))


def _stays(order: Sequence[int]) -> bool:
    return list(order) == list(range(len(order)))


def _name_axes(keras_class: str, order: Sequence[int], groups: int) -> str:
    """Return `(out, in, w) -> (w, in, out)`; nothing for a layer whose axes have no names here."""
    matches = (axes for part, axes in SOURCE_AXES if part in keras_class)
    first: tuple[str, ...] = next(matches, ())
    rank = len(order) - len(first)
    if not first or not 0 <= rank <= len(SPATIAL):
        return ""
    names = [*first, *SPATIAL[len(SPATIAL) - rank :]]
    if groups > 1:
        names[1] = "in / groups"
    moved = [names[axis] for axis in order]
    return f"({', '.join(names)}) -> ({', '.join(moved)})"


def unwrap_layer(layer: LayerSpec) -> LayerSpec:
    """Return the layer within a `Bidirectional`, and any other layer itself."""
    inner = layer.config.get("layer")
    if isinstance(inner, LayerSpec):
        return inner
    return layer
