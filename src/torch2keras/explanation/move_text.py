"""Moves of a tensor's elements as code, of NumPy and of PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
import torch

from torch2keras.errors import InternalError
from torch2keras.graph.element_moves import (
    Apply,
    ElementMove,
    Flip,
    Narrow,
    Permute,
    Reshape,
    Take,
)
from torch2keras.keras_graph.source.expressions import (
    constant_text,
    list_text,
    quote,
    tuple_text,
)


def numpy_move(text: str, move: ElementMove) -> str:
    """Return an array's text with a move behind it, as a method or an index of NumPy."""
    match move:
        case Reshape(shape):
            return text + reshape_text(shape)
        case Permute(order):
            return text + transpose_text(order)
        case Take(dim, order):
            return f"{text}[{':, ' * dim}{list_text(map(str, order))}]"
        case Narrow(dim, start, stop):
            return f"{text}[{':, ' * dim}{start}:{stop}]"
        case Flip(dims):
            steps = [":"] * (max(dims) + 1)
            for dim in dims:
                steps[dim] = "::-1"
            return f"{text}[{', '.join(steps)}]"
    return f"{torch_move(f'torch.from_numpy({text}.copy())', move)}.numpy(force=True)"


def index_text(part: Sequence[slice]) -> str:
    """Return `[:, 0:3]`, the index of a part of some axes."""
    return f"[{', '.join(map(_slice_text, part))}]"


def _slice_text(part: slice) -> str:
    if part == slice(None):
        return ":"
    return f"{part.start}:{part.stop}"


def transpose_text(order: Sequence[int]) -> str:
    """Return `.transpose(2, 1, 0)`, `.T` for a matrix, or nothing where each axis stays."""
    if tuple(order) == tuple(range(len(order))):
        return ""
    if tuple(order) == (1, 0):
        return ".T"
    return f".transpose({', '.join(map(str, order))})"


def reshape_text(shape: Sequence[int]) -> str:
    """Return `.reshape(3, 5)`."""
    if len(shape) == 0:
        return ".reshape(())"
    return f".reshape({', '.join(map(str, shape))})"


def torch_move(text: str, move: ElementMove) -> str:
    """Return a PyTorch tensor's text with a move behind it."""
    match move:
        case Reshape(shape):
            return f"{text}.reshape({tuple_text(map(str, shape))})"
        case Permute(order):
            return f"{text}.permute({tuple_text(map(str, order))})"
        case Narrow(dim, start, stop):
            return f"{text}.narrow({dim}, {start}, {stop - start})"
        case Flip(dims):
            return f"{text}.flip({tuple_text(map(str, dims))})"
        case Take(dim, order):
            return f"{text}.index_select({dim}, torch.tensor({list_text(map(str, order))}))"
    assert isinstance(move, Apply)
    arguments = [f"{move.name}={text}"]
    for name, value in move.args:
        arguments.append(f"{name}={_items_text(value)}")
    call = f"torch.ops.{move.op}({', '.join(arguments)})"
    return call if move.result is None else f"{call}[{move.result}]"


def _items_text(value: Any) -> str:
    if isinstance(value, tuple):
        return list_text(map(constant_argument, value))
    return constant_argument(value)


def constant_argument(value: Any) -> str:
    """Return an argument that is no tensor as Python; raises InternalError for what has no text."""
    if isinstance(value, torch.dtype):
        return str(value)
    if isinstance(value, torch.device):
        return quote("cpu")
    if isinstance(value, sympy.Expr) and value.is_number:
        return str(int(value)) if value.is_integer else repr(float(value))
    if value is None or isinstance(value, bool | int | float | str):
        return constant_text(value)
    if isinstance(value, torch.layout | torch.memory_format):
        return str(value)
    raise InternalError(f"an argument of an operator has no text: {value!r}")
