"""What stands between two layers with weights, in a form that is the same for equal meanings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from torch2keras.graph.ir import Graph, Node
from torch2keras.twins.atoms import STATISTICS
from torch2keras.twins.causes.functions import NamedFunction, identify_step
from torch2keras.twins.causes.pads import Pads, add_pads, as_list, read_pads, same_pads
from torch2keras.twins.module_side import ModuleSide
from torch2keras.twins.steps import LayerGraph, LayerStep
from torch2keras.twins.walk import is_zero_padding

MOVES = (
    "Cast",
    "ExpandDims",
    "Flatten",
    "Flip",
    "Identity",
    "InputLayer",
    "Moveaxis",
    "Permute",
    "RepeatVector",
    "Reshape",
    "Squeeze",
    "Swapaxes",
    "Transpose",
)
"""Steps that only move elements: where they are wrong, values are equal but for their order."""

RATE_DIGITS = 9
"""The decimals of a dropout's rate that count: what both sides compute it by rounds otherwise."""

MERGES = {"Concatenate": "concat", "Concat": "concat"}


@dataclass(frozen=True)
class Fact:
    """One step between layers with weights: what kind it is, and its settings."""

    kind: str
    """function, pool, global pool, softmax, dropout, pad, or what it is called."""
    settings: Mapping[str, Any]
    name: str
    """The twin's layer, or the path of the module."""


@dataclass
class Glue:
    """The steps between a value and the layers with weights before it, in their order."""

    start: str
    """The layer with weights that stands before them all."""
    facts: list[Fact] = field(default_factory=list)


def read_glue(graph: LayerGraph, value: int, side: ModuleSide | None = None) -> Glue:
    """Return what stands before a value; `side` has the paths where the graph is the module's."""
    made = graph.made
    found = Glue(_layer_before(made, value, side))
    steps = list(_steps_before(graph, value))
    for place, step in enumerate(steps):
        if is_padding(step) and any(map(_is_pool, steps[place + 1 : place + 2])):
            continue
        name = _name_between(graph, step, side)
        found.facts += _facts_of(graph, step, name, steps[:place], side)
    return found


def read_dropouts(graph: LayerGraph, value: int, side: ModuleSide | None = None) -> list[Fact]:
    """Return the dropouts that stand before a value, behind the layers with weights."""
    found = []
    for step in _steps_before(graph, value):
        if "Dropout" in step.kind:
            rate = round(float(step.operation.rate), RATE_DIGITS)
            found.append(Fact("dropout", {"rate": rate}, _name_between(graph, step, side)))
    return found


def _name_between(graph: LayerGraph, step: LayerStep, side: ModuleSide | None) -> str:
    """Return the name of a step; of one that is no module the name of the layer before it."""
    if side is None:
        return step.name
    return side.path(step) or _layer_before(graph.made, step.inputs[0], side)


def _steps_before(graph: LayerGraph, value: int) -> Iterator[LayerStep]:
    """Yield the steps without weights from which a value is computed, in their order."""
    made = graph.made
    wanted: set[int] = set()
    waiting = [value]
    while waiting:
        step = made.get(waiting.pop())
        if step is None or id(step) in wanted or has_weights(step):
            continue
        wanted.add(id(step))
        waiting += step.inputs
    for step in graph.steps:
        if id(step) in wanted:
            yield step


def _layer_before(made: Mapping[int, LayerStep], value: int, side: ModuleSide | None) -> str:
    """Return the name of the last layer with weights on the way to a value; "" at the input."""
    while value in made:
        step = made[value]
        if has_weights(step):
            return _name_step(step, side)
        if not step.inputs:
            break
        value = step.inputs[0]
    return ""


def _name_step(step: LayerStep, side: ModuleSide | None) -> str:
    """Return the path of the module that a step comes from, or the twin's name for it."""
    if side is None:
        return step.name
    return side.path(step) or step.name


def has_weights(step: LayerStep) -> bool:
    """Whether a step is that of a layer with weights."""
    return step.kind != STATISTICS and bool(getattr(step.operation, "weights", None))


def is_padding(step: LayerStep) -> bool:
    """Whether a step only pads, with zeros or another number."""
    return step.kind == "Pad" or is_zero_padding(step)


def _is_pool(step: LayerStep) -> bool:
    return "Pool" in step.kind and not step.kind.startswith("Global")


def _facts_of(
    graph: LayerGraph,
    step: LayerStep,
    name: str,
    before: Sequence[LayerStep],
    side: ModuleSide | None,
) -> Iterator[Fact]:
    """Yield what one step is."""
    operation, kind = step.operation, step.kind
    if kind in MOVES or "Dropout" in kind:
        return
    if kind.startswith("Global"):
        yield Fact("pool", {"mode": _pool_mode(step), "size": "all"}, name)
    elif _is_pool(step):
        yield Fact("pool", _pool_settings(graph, step, before, side), name)
    elif kind in ("Softmax", "LogSoftmax") or _has_function(step, keras.activations.softmax):
        rank = len(graph.shapes[step.inputs[0]])
        axis = getattr(operation, "axis", -1)
        if isinstance(axis, int):
            axis %= rank
        yield Fact("softmax", {"axis": axis}, name)
    elif is_padding(step):
        yield Fact("pad", {}, name)
    else:
        function = identify_step(graph, step)
        if function is None:
            yield Fact(MERGES.get(kind, kind.lower()), {}, name)
        elif function.name != "identity":
            yield Fact("function", {"function": function}, name)


def _has_function(step: LayerStep, function: Any) -> bool:
    return getattr(step.operation, "activation", None) is function


def _pool_mode(step: LayerStep) -> str:
    if "Max" in step.kind:
        return "max"
    return "average"


def _pool_settings(
    graph: LayerGraph, step: LayerStep, before: Sequence[LayerStep], side: ModuleSide | None
) -> dict[str, Any]:
    """Return the settings of a pooling; of the module's as PyTorch has them."""
    operation = step.operation
    settings = {
        "mode": _pool_mode(step),
        "size": _as_tuple(getattr(operation, "pool_size", None)),
        "strides": _as_tuple(getattr(operation, "strides", None)),
        "padding": getattr(operation, "padding", None),
        "padded": bool(before) and is_padding(before[-1]),
        "pads": _find_pads(graph, step, before),
    }
    if side is not None:
        node = find_pool_node(side.conversion.graph, side.path(step), settings["mode"])
        if node is not None:
            settings["ceil_mode"] = bool(node.args.get("ceil_mode"))
            settings["count_include_pad"] = bool(node.args.get("count_include_pad"))
            settings["torch_padding"] = node.args.get("padding")
    return settings


def _find_pads(graph: LayerGraph, step: LayerStep, before: Sequence[LayerStep]) -> Pads | None:
    """Return what a pooling has in front and behind in each dimension; None of unknown sizes."""
    sizes = graph.shapes[step.inputs[0]][1:-1]
    window = as_list(step.operation.pool_size)
    if getattr(step.operation, "data_format", "") == "channels_first" or None in sizes:
        return None
    pads: Pads = [(0, 0)] * len(window)
    if before and is_padding(before[-1]):
        pads = read_pads(before[-1], len(window))
    if step.operation.padding == "same":
        strides = as_list(step.operation.strides)
        known = [int(size or 0) for size in sizes]
        pads = add_pads(pads, same_pads(known, window, strides))
    return pads


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def find_pool_node(graph: Graph, path: str, mode: str) -> Node | None:
    """Return the pooling op of PyTorch that a module runs, where it runs one of that mode."""
    word = {"max": "max_pool", "average": "avg_pool"}[mode]
    found = [n for n in graph.nodes if word in str(n.op) and n.origin.path == path]
    return found[0] if len(found) == 1 else None


def say_fact(fact: Fact) -> str:
    """Return a step in words."""
    if fact.kind == "function":
        function: NamedFunction = fact.settings["function"]
        return str(function)
    if fact.kind == "pool":
        if fact.settings["size"] == "all":
            return f"{fact.settings['mode']} pooling over all places"
        return f"{fact.settings['mode']} pooling"
    if fact.kind == "softmax":
        return f"softmax over axis {fact.settings['axis']}"
    return fact.kind
