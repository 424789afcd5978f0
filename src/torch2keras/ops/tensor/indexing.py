"""Lookups: index_select, gather, and indexing with integer tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import size_product
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.dynamic_sizes import size_tensor, sizes_of
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Tensor, as_tensor, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.positions import index_names, indexed, is_mask, wrapped
from torch2keras.ops.blocks.slices import cut_beside

aten = torch.ops.aten


@lowering(aten.index_select.default, axes="... [dim'], i' -> ... [dim']")
def index_select(x, dim, index):
    """`keras.ops.take`."""
    return ops.take(x, index, axis=dim)


def same_beside(args: Mapping[str, Any]) -> str | None:
    """Of other dims that are longer than the index's, the first entries are read: then they don't correspond."""
    own, index = args["self"].type.shape, args["index"].type.shape
    dim = args["dim"] % max(len(own), 1)
    alike = len(own) == len(index) and all(
        a == b for d, (a, b) in enumerate(zip(own, index, strict=True)) if d != dim
    )
    return "... [dim'], ... [dim'] -> ... [dim']" if alike else None


@lowering(aten.gather.default, axes=same_beside)
def gather(x, dim, index, sparse_grad=False):
    """`keras.ops.take_along_axis`."""
    if not x.ndim or not index.ndim:
        return ops.take(ops.reshape(x, (-1,)), index, axis=0)
    dim %= x.ndim
    return ops.take_along_axis(cut_beside(x, sizes_of(index), dim), index, axis=dim)


def index_torch(args: Mapping[str, Any]) -> str | None:
    """Adjacent indices stand where they index; with others between them, their dimensions come first."""
    if any(map(is_mask, args["indices"])):
        return None
    if (single := _single(args)) is not None:
        return single
    names, terms, result, _ = index_names(args)
    return f"{' '.join(names)}, {', '.join(terms)} -> {' '.join(result)}"


def index_keras(args: Mapping[str, Any]) -> str | None:
    """One index of several dimensions: PyTorch's own order. Several: the dimensions that they index come first."""
    if any(map(is_mask, args["indices"])) or _single(args) is not None:
        return None
    names, terms, _, broad = index_names(args)
    if len(terms) == 1:
        return index_torch(args)
    first = [n for n in names if n[0] == "a"]
    rest = [n for n in names if n[0] == "d"]
    return f"{' '.join(first + rest)}, {', '.join(terms)} -> {' '.join(broad + rest)}"


def _single(args: Mapping[str, Any]) -> str | None:
    """One index of at most one dimension: its entries take the place of what they index, in any layout."""
    given = {d: t.type.rank for d, t in enumerate(indexed(args)) if t is not None}
    if len(given) != 1 or max(given.values()) > 1:
        return None
    names = [f"a{d}'" if d in given else f"d{d}" for d in range(args["self"].type.rank)]
    if max(given.values()):
        return f"{' '.join(names)}, i' -> {' '.join(names)}"
    return f"{' '.join(names)},  -> {' '.join(n for n in names if n[0] == 'd')}"


@lowering(aten.index.Tensor, torch=index_torch, keras=index_keras)
def index(x, indices, *, a=()):
    """`keras.ops.take`; of several dimensions by one number for all of them."""
    tensors = [i for i in indices if i is not None]
    if any(t.dtype in ("bool", "uint8") for t in tensors):
        raise LoweringError(
            "indexing with a mask gives a shape that depends on the data",
            [("next", "keep the shape: torch.where(mask, x, 0), or multiply by the mask")],
        )
    if len(tensors) == 1:
        return ops.take(x, tensors[0], axis=a[0])
    count = len(tensors)
    have = sizes_of(x)
    flat = flat_position(tensors, have[:count])
    return ops.take(
        reshape(as_tensor(x), have, (size_product(have[:count]), *have[count:])), flat, axis=0
    )


def flat_position(indices: Sequence[Tensor | Weight], shape: Sequence[Size]) -> Tensor | Weight:
    """The row-major number of the position that indices of several dimensions name."""
    total, *others = (wrapped(index, size) for index, size in zip(indices, shape, strict=True))
    for position, size in zip(others, shape[1:], strict=True):
        total = plus(times(total, size), position)
    return total


def times(index: Tensor | Weight, size: Size) -> Tensor | Weight:
    """Known positions are computed at conversion."""
    if isinstance(index, Weight) and isinstance(size, int):
        return as_constant(index.values() * size)
    return ops.multiply(size_tensor(size), index)


def plus(a: Tensor | Weight, b: Tensor | Weight) -> Tensor | Weight:
    """Known positions are computed at conversion."""
    if isinstance(a, Weight) and isinstance(b, Weight):
        return as_constant(a.values() + b.values())
    return ops.add(a, b)
