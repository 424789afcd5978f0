"""Ops that stretch, repeat or shift dimensions, or take a part of a matrix.

Those that only rename axes need no converter (`op_facts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import size_product
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import broadcast_to, count_positions, size_tensor, sizes_of
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Tensor, as_tensor, ops
from torch2keras.ops.blocks.positions import as_pattern, name_diagonal

aten = torch.ops.aten


@lowering(aten.expand.default, axes="...")
def expand(x, size, implicit=False, *, context):
    """`keras.ops.broadcast_to`; a product with ones of a dynamic size."""
    return broadcast_to(x, context.shapes[0])


def repeat_axes(args: Mapping[str, Any]) -> str:
    """`n` are the dimensions that repeat adds in front, `d` the others.

    One that is repeated changes its size.
    """
    new = len(args["repeats"]) - args["self"].type.rank
    own = []
    for d, count in enumerate(args["repeats"][new:]):
        own.append(f"d{d}" if count == 1 else f"d{d}'")
    added = [f"n{d}'" for d in range(new)]
    return as_pattern([own], [*added, *own])


@lowering(aten.repeat.default, axes=repeat_axes)
def repeat(x, repeats, *, d=(), n=(), context):
    """`keras.ops.tile`; a product with ones for a dynamic number of repetitions."""
    counts = order_repeats(repeats, n, d)
    have = list(sizes_of(x))
    for position in sorted(n):
        have.insert(position, 1)
    y = x.expand_dims(*sorted(n))
    for position in reversed(range(len(have))):
        if have[position] != 1 and not isinstance(counts[position], int):
            y, have = repeat_dim(y, have, position, counts[position])
            counts[position] = 1
    return tile(y, have, counts, context.shapes[0])


def order_repeats(repeats: Sequence[Size], added: Sequence[int], own: Sequence[int]) -> list[Size]:
    """The number of repetitions of each stored dimension of the result.

    `added` are the positions of its first dimensions, `own` those of the others where the first
    ones are left out.
    """
    free = [p for p in range(len(repeats)) if p not in added]
    positions = [*added, *[free[p] for p in own]]
    counts: list[Size] = [1] * len(repeats)
    for position, count in zip(positions, repeats, strict=True):
        counts[position] = count
    return counts


def repeat_dim(
    x: Operand, have: Sequence[Size], position: int, count: Size
) -> tuple[Tensor, list[Size]]:
    """`x`, whose shape is `have`, with one dimension behind itself so many times; and its shape."""
    before, own, after = have[:position], have[position], have[position + 1 :]
    single, several = (*before, 1, own, *after), (*before, count, own, *after)
    rows = as_tensor(broadcast_to(ops.expand_dims(x, axis=position), several, single))
    whole = [*before, size_product((count, own)), *after]
    return reshape(rows, several, whole), whole


def tile(
    x: Operand, have: Sequence[Size], counts: Sequence[Size], shape: Sequence[Size]
) -> Operand:
    """`x`, whose shape is `have`, repeated to `shape`.

    Dimensions of size one are stretched, others tiled.
    """
    stretched: list[Size] = []
    tiles: list[Size] = []
    for own, count, size in zip(have, counts, shape, strict=True):
        stretched.append(size if own == 1 else own)
        tiles.append(1 if own == 1 else count)
    y = broadcast_to(x, stretched, have)
    if all(count == 1 for count in tiles):
        return y
    return ops.tile(y, tuple(tiles))


def repeat_interleave_axes(args: Mapping[str, Any]) -> str | None:
    """Along `dim`; None where there is none, and the op flattens."""
    return None if args.get("dim") is None else "... [dim'] -> ... [dim']"


@lowering(aten.repeat_interleave.self_int, axes=repeat_interleave_axes)
def repeat_interleave(x, repeats, dim=None, output_size=None):
    """`keras.ops.repeat` along the dimension."""
    return ops.repeat(x, repeats, axis=dim)


def flip_axes(args: Mapping[str, Any]) -> str:
    """Along `dims`, where no dims are none, not all."""
    return "... [dims'] -> ... [dims']" if args["dims"] else "..."


@lowering(aten.flip.default, axes=flip_axes)
def flip(x, dims):
    """`keras.ops.flip` of the dimensions."""
    return x.flip(*dims)


def roll_axes(args: Mapping[str, Any]) -> str | None:
    """Along `dims`; None where there are none, and the flattened tensor is rolled."""
    if not args["dims"]:
        return None
    return "... [dims'] -> ... [dims']"


@lowering(aten.roll.default, axes=roll_axes)
def roll(x, shifts, dims=()):
    """`keras.ops.roll`; `keras.ops.take` where the shift is a dynamic number."""
    if not isinstance(shifts, list | tuple):
        shifts = (shifts,)
    if not all(isinstance(shift, int) for shift in shifts):
        return roll_by_sizes(x, shifts, dims)
    if not dims:
        return ops.roll(x, shifts[0])
    if len(dims) == 1:
        return ops.roll(x, shift=shifts[0], axis=dims[0])
    return ops.roll(x, shift=tuple(shifts), axis=tuple(dims))


def roll_by_sizes(x: Operand, shifts: Sequence[Size], dims: Sequence[int]) -> Operand:
    """`x` with each of the dimensions looked up at (k - shift) mod its size."""
    own = sizes_of(x)
    for shift, dim in zip(shifts, dims, strict=True):
        places = ops.mod(count_positions(own[dim]) - size_tensor(shift), size_tensor(own[dim]))
        x = ops.take(x, places, axis=dim)
    return x


@lowering(aten.tril.default, torch="... r' c' -> ... r' c'", keras="... r' c' -> ... r' c'")
def tril(x, diagonal=0):
    """`keras.ops.tril` of each matrix."""
    return ops.tril(x, k=diagonal)


@lowering(aten.triu.default, torch="... r' c' -> ... r' c'", keras="... r' c' -> ... r' c'")
def triu(x, diagonal=0):
    """`keras.ops.triu` of each matrix."""
    return ops.triu(x, k=diagonal)


def diagonal_torch(args: Mapping[str, Any]) -> str:
    """The two dimensions leave, their diagonal comes last."""
    names, rest = name_diagonal(args)
    return as_pattern([names], [*rest, "e'"])


def diagonal_keras(args: Mapping[str, Any]) -> str:
    """The two dimensions last."""
    _, rest = name_diagonal(args)
    return as_pattern([[*rest, "r'", "c'"]], [*rest, "e'"])


@lowering(
    aten.diagonal.default, aten.diagonal_copy.default, torch=diagonal_torch, keras=diagonal_keras
)
def diagonal(x, offset=0, dim1=0, dim2=1):
    """`keras.ops.diagonal` of each matrix."""
    return ops.diagonal(x, offset=offset, axis1=-2, axis2=-1)
