"""Positions along dimensions, and indices that count from the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.graph.ir import Size, Value
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.dynamic_sizes import size_tensor
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops
from torch2keras.ops.blocks.constants import as_constant


def indexed(args: Mapping[str, Any]) -> list[Value | None]:
    """For each dimension of the operand the tensor that indexes it."""
    given = list(args["indices"])
    return given + [None] * (args["self"].type.rank - len(given))


def is_mask(value: Value | None) -> bool:
    """Whether a tensor that indexes is a mask."""
    return value is not None and value.type.dtype in (torch.bool, torch.uint8)


def index_names(args: Mapping[str, Any]) -> tuple[list[str], list[str], list[str], list[str]]:
    """Names of the operand's dimensions (`a` those indexed), of each index, of the result, and of all indices."""
    tensors = indexed(args)
    ranks = {d: t.type.rank for d, t in enumerate(tensors) if t is not None}
    where, rank = list(ranks), max(ranks.values())
    names = [f"a{d}'" if d in ranks else f"d{d}" for d in range(len(tensors))]
    broad = [f"i{k}" for k in range(rank)]
    terms = [" ".join(broad[rank - own :]) for own in ranks.values()]
    adjacent = where == list(range(where[0], where[-1] + 1))
    start = where[0] if adjacent else 0
    rest = [n for n in names if n[0] == "d"]
    result = [*rest[:start], *broad, *rest[start:]]
    return names, terms, result, broad


def wrapped(index: Tensor | Weight, size: Size) -> Tensor | Weight:
    """An index with negative positions counted from the end, as int32."""
    if isinstance(index, Weight):
        known = index.values()
        if isinstance(size, int):
            return as_constant(torch.where(known < 0, known + size, known))
        if int(known.min()) >= 0:
            return as_constant(known)
    index = cast(as_tensor(index), "int32")
    return ops.where(ops.less(index, 0), index + size_tensor(size), index)


def diagonal_names(args: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Names of all dimensions, r' and c' those of the diagonal; and of the others."""
    rank = args["self"].type.rank
    row, column = args["dim1"] % rank, args["dim2"] % rank
    names = ["r'" if d == row else "c'" if d == column else f"d{d}" for d in range(rank)]
    return names, [name for name in names if name[0] == "d"]
