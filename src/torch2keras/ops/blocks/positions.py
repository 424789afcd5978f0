"""Names of dimensions where tensors or a diagonal index, and positions counted from the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from torch2keras.graph.ir import Size, Value, keras_dtype
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import size_tensor
from torch2keras.lower.recorder import as_tensor, cast, ops
from torch2keras.ops.blocks.constants import as_constant

MASK_DTYPES = frozenset(["bool", "uint8"])
"""Tensors of these dtypes choose the positions where they are true; others hold positions."""


def find_indices(args: Mapping[str, Any]) -> dict[int, Value]:
    """The tensors that index, by the dimension that each of them indexes."""
    return {dim: index for dim, index in enumerate(args["indices"]) if index is not None}


def has_mask(args: Mapping[str, Any]) -> bool:
    """Whether one of the tensors that index is a mask."""
    for index in find_indices(args).values():
        if keras_dtype(index.type.dtype) in MASK_DTYPES:
            return True
    return False


def is_mask(index: Operand) -> bool:
    """Whether a tensor that indexes is a mask."""
    return index.dtype in MASK_DTYPES


def as_pattern(operands: list[list[str]], result: list[str]) -> str:
    """The declaration with these names of dimensions of each operand and of the result."""
    return f"{', '.join(map(' '.join, operands))} -> {' '.join(result)}"


def number_names(prefix: str, count: int) -> list[str]:
    """The names "d0", "d1" and so on."""
    return [f"{prefix}{k}" for k in range(count)]


def keep_prefix(names: list[str], prefix: str) -> list[str]:
    """The names that begin with a letter."""
    return [name for name in names if name[0] == prefix]


@dataclass(frozen=True)
class IndexNames:
    """Names of the dimensions of an indexing: "a0'" of those that are indexed, "d1" of others."""

    operand: list[str]
    indices: list[list[str]]
    """Of each index; "i0" is a dimension of all indices broadcast together."""
    broadcast: list[str]
    """Of all indices broadcast together."""
    result: list[str]

    @property
    def indexed(self) -> list[str]:
        """The dimensions of the operand that are indexed."""
        return keep_prefix(self.operand, "a")

    @property
    def others(self) -> list[str]:
        """The dimensions of the operand that are not indexed."""
        return keep_prefix(self.operand, "d")


def name_indexing(args: Mapping[str, Any]) -> IndexNames:
    """The names of PyTorch's dimensions where integer tensors index.

    The dimensions of adjacent indices stand where they index; with others between them they come
    first. ("Combining advanced and basic indexing" in
    https://numpy.org/doc/stable/user/basics.indexing.html)
    """
    ranks = {dim: index.type.rank for dim, index in find_indices(args).items()}
    rank = max(ranks.values())
    operand = number_names("d", args["self"].type.rank)
    for dim in ranks:
        operand[dim] = f"a{dim}'"
    broadcast = number_names("i", rank)
    indices = [broadcast[rank - own :] for own in ranks.values()]
    first, last = min(ranks), max(ranks)
    adjacent = len(ranks) == last - first + 1
    start = first if adjacent else 0
    others = keep_prefix(operand, "d")
    result = [*others[:start], *broadcast, *others[start:]]
    return IndexNames(operand, indices, broadcast, result)


def wrap_negative(index: Operand, size: Size) -> Operand:
    """The index as int32; negative positions count from the end of a dimension of this size."""
    known = index.values()
    if known is not None and isinstance(size, int):
        return as_constant(torch.where(known < 0, known + size, known))
    if known is not None and bool((known >= 0).all()):
        return as_constant(known)
    computed = cast(as_tensor(index), "int32")
    return ops.where(ops.less(computed, 0), computed + size_tensor(size), computed)


def name_diagonal(args: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Names of all dimensions, those of the diagonal r' and c'; and of the others alone."""
    rank = args["self"].type.rank
    names = number_names("d", rank)
    names[args["dim1"] % rank] = "r'"
    names[args["dim2"] % rank] = "c'"
    return names, keep_prefix(names, "d")
