"""KerasGraph -> Python: the calls as a Keras user writes them, and the way of each weight as NumPy."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from itertools import permutations
from typing import Any

import keras
import torch

from torch2keras.graph.element_moves import element_numbers
from torch2keras.keras_graph.graph import Call, KerasGraph, LayerSpec, Literal, Ref
from torch2keras.keras_graph.weight import Weight


def statements(graph: KerasGraph) -> list[str]:
    """One line of Python for each call; values are called by the inputs' names, x where only one is alive."""
    names = {i: item.name for i, item in enumerate(graph.inputs)}
    last_read = graph.last_reads()
    lines = []
    for number, call in enumerate(graph.calls):
        text = call_text(call, names)
        alive = [i for i in names if last_read.get(i, -1) > number]
        for index in call.outputs:
            names[index] = "x" if not alive and len(call.outputs) == 1 else f"x{index}"
        lines.append(f"{', '.join(names[i] for i in call.outputs)} = {text}")
    lines.append(f"outputs = {', '.join(names[i] for i in graph.outputs)}")
    return lines


def call_text(call: Call, names: Mapping[int, str]) -> str:
    """One call: `keras.layers.ReLU()(x)`, `keras.ops.add(x, y)` or `x[:, 1:]`."""
    args = [value_text(a, names) for a in call.args]
    kwargs = [f"{k}={value_text(v, names)}" for k, v in call.kwargs.items()]
    if call.target == "getitem":
        return f"{args[0]}[{_index_text(call.args[1])}]"
    if call.is_layer:
        return f"{layer_text(call)}({', '.join([*args, *kwargs])})"
    return f"keras.{call.target}({', '.join([*args, *kwargs])})"


def layer_text(call: Call) -> str:
    """The constructor of a layer, without what is Keras's default anyway (but always with its padding)."""
    return _constructor(call.layer)


def _constructor(layer: LayerSpec) -> str:
    defaults = inspect.signature(getattr(keras.layers, layer.cls).__init__).parameters
    shown = {k: plain(v) for k, v in layer.config.items()}
    shown = {
        k: v
        for k, v in shown.items()
        if k == "padding" or k not in defaults or plain(defaults[k].default) != v
    }
    arguments = ", ".join(f"{k}={_config_text(v)}" for k, v in shown.items())
    return f"keras.layers.{layer.cls}({arguments})"


def _config_text(value: Any) -> str:
    return _constructor(value) if isinstance(value, LayerSpec) else repr(value)


def plain(value: Any) -> Any:
    """One number for a tuple of one, as a person writes it."""
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def value_text(value: Any, names: Mapping[int, str]) -> str:
    """An argument: a value's name, a literal array, or its repr."""
    if isinstance(value, Ref):
        return names[value.index]
    if isinstance(value, Literal):
        return f"np.array({value.weight.values().tolist()!r}, {value.weight.dtype!r})"
    if isinstance(value, list | tuple):
        inner = ", ".join(value_text(v, names) for v in value)
        return (
            f"[{inner}]"
            if isinstance(value, list)
            else f"({inner}{',' if len(value) == 1 else ''})"
        )
    return repr(value)


def _index_text(index: Any) -> str:
    items = index if isinstance(index, tuple) else (index,)
    return ", ".join(map(_slice_text, items))


def _slice_text(item: Any) -> str:
    if not isinstance(item, slice):
        return "..." if item is Ellipsis else repr(item)
    text = f"{'' if item.start is None else item.start}:{'' if item.stop is None else item.stop}"
    return text if item.step is None else f"{text}:{item.step}"


def weight_text(weight: Weight, name: str) -> str:
    """The NumPy expression that makes the Keras weight of the PyTorch tensor called `name`."""
    shape, whole = tuple(weight.constant.tensor.shape), name
    there = weight.numbers()
    numbers = element_numbers(shape, ())
    if shape and there.numel() < numbers.numel():  # the part of one group: rows of the tensor
        row = numbers[0].numel()
        first, last = int(there.min()) // row, int(there.max()) // row + 1
        numbers, name = numbers[first:last], f"{name}[{first}:{last}]"
    for order in permutations(range(len(shape))):
        moved = numbers.permute(order)
        step = "" if order == tuple(range(len(shape))) else f".transpose{order}"
        if moved.shape == there.shape and torch.equal(moved, there):
            return f"{name}{step}"
        if moved.numel() == there.numel() and torch.equal(moved.reshape(there.shape), there):
            return f"{name}{step}.reshape{tuple(there.shape)}"
    return whole + "".join(_move_text(move) for move in (*weight.constant.moves, *weight.moves))


def _move_text(move: Any) -> str:
    kind = type(move).__name__
    if kind == "Reshape":
        return f".reshape{move.shape}"
    if kind == "Permute":
        return f".transpose{move.order}"
    if kind == "Take":
        return f".take({move.order}, axis={move.dim})"
    if kind == "Narrow":
        return f".take(range({move.start}, {move.stop}), axis={move.dim})"
    if kind == "Flip":
        return (
            f"[{', '.join('::-1' if d in move.dims else ':' for d in range(max(move.dims) + 1))}]"
        )
    return f"  # then {move.op}{dict(move.args)}"
