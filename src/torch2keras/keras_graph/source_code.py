"""KerasGraph -> Python: the calls as a Keras user writes them, and each weight's way as NumPy."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import keras
import torch

from torch2keras.graph.element_moves import (
    Apply,
    ElementMove,
    Flip,
    Narrow,
    Permute,
    Reshape,
    Take,
    element_numbers,
)
from torch2keras.keras_graph.graph import GETITEM, Call, KerasGraph, LayerSpec, Literal, Ref
from torch2keras.keras_graph.weight import Weight


def statements(graph: KerasGraph) -> list[str]:
    """Return a line of Python for each call, and a last one that names the outputs.

    Values are called by the inputs' names, `x` where only one is alive, else `x7` by their number.
    """
    names = {i: item.name for i, item in enumerate(graph.inputs)}
    last_read = graph.last_reads()
    lines = []
    for number, call in enumerate(graph.calls):
        text = call_text(call, names)
        others_are_alive = any(last_read.get(i, -1) > number for i in names)
        names.update({index: f"x{index}" for index in call.outputs})
        if not others_are_alive and len(call.outputs) == 1:
            names[call.outputs[0]] = "x"
        lines.append(f"{_join(call.outputs, names)} = {text}")
    lines.append(f"outputs = {_join(graph.outputs, names)}")
    return lines


def _join(values: tuple[int, ...], names: Mapping[int, str]) -> str:
    return ", ".join(names[index] for index in values)


def call_text(call: Call, names: Mapping[int, str]) -> str:
    """Return one call: `keras.layers.ReLU()(x)`, `keras.ops.add(x, y)` or `x[:, 1:]`."""
    arguments = [value_text(value, names) for value in call.args]
    if call.target == GETITEM:
        return f"{arguments[0]}[{_index_text(call.args[1])}]"
    for key, value in call.kwargs.items():
        arguments.append(f"{key}={value_text(value, names)}")
    function = layer_text(call) if call.is_layer else f"keras.{call.target}"
    return f"{function}({', '.join(arguments)})"


def layer_text(call: Call) -> str:
    """Return the constructor of a layer, without what is Keras's default but for its padding."""
    return _constructor(call.layer)


def _constructor(layer: LayerSpec) -> str:
    parameters = inspect.signature(getattr(keras.layers, layer.cls).__init__).parameters
    arguments = []
    for key, value in layer.config.items():
        shown = simplify(value)
        is_default = key in parameters and simplify(parameters[key].default) == shown
        if key == "padding" or not is_default:
            arguments.append(f"{key}={_config_text(shown)}")
    return f"keras.layers.{layer.cls}({', '.join(arguments)})"


def _config_text(value: Any) -> str:
    return _constructor(value) if isinstance(value, LayerSpec) else literal_text(value)


def literal_text(value: Any) -> str:
    """Return a plain value as Python reads it, infinite numbers too, which repr writes as names."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, dict):
        pairs = [f"{key!r}: {literal_text(item)}" for key, item in value.items()]
        return f"{{{', '.join(pairs)}}}"
    if not isinstance(value, list | tuple):
        return repr(value)
    return _enclose(value, [literal_text(item) for item in value])


def _enclose(value: list[Any] | tuple[Any, ...], items: list[str]) -> str:
    """Return the items of a list or tuple in its brackets."""
    inner = ", ".join(items)
    if isinstance(value, list):
        return f"[{inner}]"
    comma = "," if len(value) == 1 else ""
    return f"({inner}{comma})"


def simplify(value: Any) -> Any:
    """Return the number for a tuple of one number, as a person writes it; else the value."""
    if isinstance(value, tuple) and len(value) == 1:
        return value[0]
    return value


def value_text(value: Any, names: Mapping[int, str]) -> str:
    """Return an argument as text: a value's name, a literal array, or its repr."""
    if isinstance(value, Ref):
        return names[value.index]
    if isinstance(value, Literal):
        numbers = literal_text(value.weight.values().tolist())
        return f"np.array({numbers}, {value.weight.dtype!r})"
    if not isinstance(value, list | tuple):
        return literal_text(value)
    return _enclose(value, [value_text(item, names) for item in value])


def _index_text(index: Any) -> str:
    if isinstance(index, tuple):
        return ", ".join(map(_slice_text, index))
    return _slice_text(index)


def _slice_text(item: Any) -> str:
    if item is Ellipsis:
        return "..."
    if not isinstance(item, slice):
        return repr(item)
    text = f"{_bound_text(item.start)}:{_bound_text(item.stop)}"
    return text if item.step is None else f"{text}:{item.step}"


def _bound_text(bound: int | None) -> str:
    return "" if bound is None else str(bound)


def weight_text(weight: Weight, name: str) -> str:
    """Return the NumPy expression that makes the Keras weight of the PyTorch tensor called `name`.

    At most one slice, one transpose and one reshape where these are enough, the reshape where it
    is needed, else each move.
    """
    goal = weight.numbers()
    numbers, part = _take_rows(weight, goal, name)
    reshaped = ""
    for order in permutations(range(numbers.ndim)):
        moved = numbers.permute(order)
        text = part
        if order != tuple(range(numbers.ndim)):
            text += f".transpose{order}"
        if moved.shape == goal.shape and torch.equal(moved, goal):
            return text
        fits = moved.numel() == goal.numel() and torch.equal(moved.reshape(goal.shape), goal)
        if fits and not reshaped:
            reshaped = f"{text}.reshape{tuple(goal.shape)}"
    if reshaped:
        return reshaped
    return name + "".join(map(_move_text, (*weight.constant.moves, *weight.moves)))


def _take_rows(weight: Weight, goal: torch.Tensor, name: str) -> tuple[torch.Tensor, str]:
    """Return the numbers of the tensor's elements, and its name.

    Where the weight has fewer elements, as that of one group of a convolution, they are those of
    the rows from its first to its last.
    """
    numbers = element_numbers(tuple(weight.constant.tensor.shape), ())
    if numbers.ndim == 0 or goal.numel() >= numbers.numel():
        return numbers, name
    row = numbers[0].numel()
    first, last = int(goal.min()) // row, int(goal.max()) // row + 1
    return numbers[first:last], f"{name}[{first}:{last}]"


def _move_text(move: ElementMove) -> str:
    """Return a move of elements as a method call or index of NumPy."""
    match move:
        case Reshape(shape):
            return f".reshape{shape}"
        case Permute(order):
            return f".transpose{order}"
        case Take(dim, order):
            return f".take({order}, axis={dim})"
        case Narrow(dim, start, stop):
            return f".take(range({start}, {stop}), axis={dim})"
        case Flip(dims):
            steps = [":"] * (max(dims) + 1)
            for dim in dims:
                steps[dim] = "::-1"
            return f"[{', '.join(steps)}]"
    assert isinstance(move, Apply)
    return f"  # then {move.op}{dict(move.args)}"
