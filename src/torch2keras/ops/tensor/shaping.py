"""Ops that stretch, repeat or shift dimensions. Those that only rename axes need no converter (`op_facts`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import size_product
from torch2keras.lower.dynamic_sizes import broadcast_to, count_positions, size_tensor, sizes_of
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks.positions import name_diagonal

aten = torch.ops.aten


@lowering(aten.expand.default, axes="...")
def expand(x, size, implicit=False, *, context):
    """`keras.ops.broadcast_to`; a product with ones of a dynamic size."""
    return broadcast_to(x, context.shapes[0])


def repeat_axes(args: Mapping[str, Any]) -> str:
    """`n` are the dimensions that repeat adds in front, `d` the others; a repeated one changes its size."""
    rank = args["self"].type.rank
    new = len(args["repeats"]) - rank
    names = [f"d{d}" + "'" * (args["repeats"][new + d] != 1) for d in range(rank)]
    return f"{' '.join(names)} -> {' '.join([*(f'''n{d}' ''' for d in range(new)), *names])}"


@lowering(aten.repeat.default, axes=repeat_axes)
def repeat(x, repeats, *, d=(), n=(), context):
    """`keras.ops.tile`; a product with ones where a dimension is repeated a dynamic number of times."""
    have, counts = list(sizes_of(x)), dict(zip([*n, *_after(n, d)], repeats, strict=True))
    for position in sorted(n):
        have.insert(position, 1)
    x = ops.expand_dims(x, axis=tuple(sorted(n))) if n else x
    computed = [p for p, own in enumerate(have) if own != 1 and not isinstance(counts[p], int)]
    for position in computed[::-1]:
        x, have = _repeated(x, have, position, counts[position])
    want = [size if own == 1 else own for own, size in zip(have, context.shapes[0], strict=True)]
    rest = tuple(counts[p] if own != 1 and p not in computed else 1 for p, own in enumerate(have))
    x = broadcast_to(x, want, have)
    return ops.tile(x, rest) if any(r != 1 for r in rest) else x


def _repeated(
    x: Tensor, have: Sequence[Size], position: int, times: Size
) -> tuple[Tensor, list[Size]]:
    """`x` of the shape `have`, one of its dimensions behind itself so many times; and its shape."""
    before, own, after = have[:position], have[position], have[position + 1 :]
    rows: Any = broadcast_to(
        ops.expand_dims(x, axis=position), (*before, times, own, *after), (*before, 1, own, *after)
    )
    want = [*before, size_product((times, own)), *after]
    return reshape(rows, (*before, times, own, *after), want), want


def _after(inserted: tuple[int, ...], positions: tuple[int, ...]) -> list[int]:
    """Where dimensions are once others have been inserted so that these stand at the positions `inserted`."""
    free = [p for p in range(len(inserted) + len(positions)) if p not in inserted]
    return [free[p] for p in positions]


def along_dim(args: Mapping[str, Any]) -> str | None:
    """Of an op that flattens where it is given no dim."""
    return None if args.get("dim") is None else "... [dim'] -> ... [dim']"


@lowering(aten.repeat_interleave.self_int, axes=along_dim)
def repeat_interleave(x, repeats, dim=None, output_size=None):
    """`keras.ops.repeat`."""
    return ops.repeat(x, repeats, axis=dim)


def flipped(args: Mapping[str, Any]) -> str:
    """No dims are none here, not all."""
    return "... [dims'] -> ... [dims']" if args["dims"] else "..."


@lowering(aten.flip.default, axes=flipped)
def flip(x, dims):
    """`keras.ops.flip`."""
    return ops.flip(x, axis=dims) if dims else x


def rolled(args: Mapping[str, Any]) -> str | None:
    """Without dims it rolls the flattened tensor."""
    return "... [dims'] -> ... [dims']" if args["dims"] else None


@lowering(aten.roll.default, axes=rolled)
def roll(x, shifts, dims=()):
    """`keras.ops.roll`; `keras.ops.take` where the shift is a dynamic number."""
    shifts = shifts if isinstance(shifts, list | tuple) else (shifts,)
    if not all(isinstance(s, int) for s in shifts):
        return rolled_by_sizes(x, shifts, dims)
    if not dims:
        return ops.roll(x, shifts[0])
    return (
        ops.roll(x, shift=tuple(shifts), axis=tuple(dims))
        if len(dims) > 1
        else ops.roll(x, shift=shifts[0], axis=dims[0])
    )


def rolled_by_sizes(x: Tensor, shifts: Sequence[Any], dims: Sequence[int]) -> Tensor:
    """Each dimension looked up at (k - shift) mod its size."""
    own = sizes_of(x)
    for shift, dim in zip(shifts, dims, strict=True):
        places = ops.mod(count_positions(own[dim]) - size_tensor(shift), size_tensor(own[dim]))
        x = ops.take(x, places, axis=dim)
    return x


@lowering(aten.tril.default, torch="... r' c' -> ... r' c'", keras="... r' c' -> ... r' c'")
def tril(x, diagonal=0):
    """`keras.ops.tril`."""
    return ops.tril(x, k=diagonal)


@lowering(aten.triu.default, torch="... r' c' -> ... r' c'", keras="... r' c' -> ... r' c'")
def triu(x, diagonal=0):
    """`keras.ops.triu`."""
    return ops.triu(x, k=diagonal)


def diagonal_torch(args: Mapping[str, Any]) -> str:
    """The two dimensions leave, their diagonal comes last."""
    names, rest = name_diagonal(args)
    return f"{' '.join(names)} -> {' '.join(rest)} e'"


def diagonal_keras(args: Mapping[str, Any]) -> str:
    """The two dimensions last."""
    _, rest = name_diagonal(args)
    return f"{' '.join(rest)} r' c' -> {' '.join(rest)} e'"


@lowering(
    aten.diagonal.default, aten.diagonal_copy.default, torch=diagonal_torch, keras=diagonal_keras
)
def diagonal(x, offset=0, dim1=0, dim2=1):
    """`keras.ops.diagonal`."""
    return ops.diagonal(x, offset=offset, axis1=-2, axis2=-1)
