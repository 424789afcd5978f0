"""Writes at computed positions: scatter, index_put, diagonal_scatter; index_add, index_fill decompose into these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size, broadcast_shape
from torch2keras.graph.symbolic import size_product
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.dynamic_sizes import broadcast_to, count_positions, sizes_of
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.positions import diagonal_names, index_names, is_mask, wrapped
from torch2keras.ops.blocks.slices import cut_beside

aten = torch.ops.aten


REDUCTIONS = {
    "sum": "add",
    "prod": "mul",
    "amax": "max",
    "amin": "min",
    "add": "add",
    "multiply": "mul",
}
"""PyTorch's names of what happens at a position that is written to twice -> Keras's."""


def coordinates(index: Any, dim: int) -> Any:
    """For each element of `index` the position that it names: its own, but for `dim`. Flat, (elements, rank)."""
    shape = sizes_of(index)
    rank = len(shape)
    if isinstance(index, Weight):
        own = torch.meshgrid(*map(torch.arange, index.shape), indexing="ij")
        known = [index.values() if d == dim else line for d, line in enumerate(own)]
        return as_constant(torch.stack(known, dim=-1).reshape(-1, rank))
    columns = [
        cast(index, "int32")
        if d == dim
        else broadcast_to(_along(count_positions(size), d, rank), shape, _unit(d, size, rank))
        for d, size in enumerate(shape)
    ]
    return ops.reshape(ops.stack(columns, axis=-1), (-1, rank))


def _along(line: Tensor, dim: int, rank: int) -> Tensor:
    return ops.reshape(line, tuple(-1 if d == dim else 1 for d in range(rank)))


def _unit(dim: int, size: Size, rank: int) -> tuple[Size, ...]:
    return tuple(size if d == dim else 1 for d in range(rank))


def written(x: Any, dim: int, index: Any, src: Any) -> tuple[Any, Tensor]:
    """Where elements of `src` go in `x`, one position a row, and these elements; `src` may be larger than `index`."""
    if not x.ndim:
        return as_constant(torch.zeros(1, 1)), ops.reshape(src, (1,))
    return coordinates(index, dim % x.ndim), ops.reshape(
        cut_beside(src, sizes_of(index), -1), (-1,)
    )


def scattered(x: Any, places: Any, values: Any, reduction: str | None = None) -> Tensor:
    """`values` written into `x`; a scalar has one place."""
    extra = {"reduction": reduction} if reduction else {}
    if x.ndim:
        return ops.scatter_update(as_tensor(x), places, values, **extra)
    return ops.reshape(
        ops.scatter_update(ops.reshape(as_tensor(x), (1,)), places, values, **extra), ()
    )


@lowering(aten.scatter.src)
def scatter(x, dim, index, src):
    """`keras.ops.scatter_update`."""
    return scattered(x, *written(x, dim, index, src))


@lowering(aten.scatter.value)
def scatter_value(x, dim, index, value):
    """`keras.ops.scatter_update`."""
    places = coordinates(index, dim % x.ndim)
    return scattered(x, places, ops.full_like(as_tensor(places)[:, 0], value, dtype=x.dtype))


@lowering(aten.scatter_add.default)
def scatter_add(x, dim, index, src):
    """`keras.ops.scatter_update` with reduction "add"."""
    return scattered(x, *written(x, dim, index, src), "add")


@lowering(aten.scatter.reduce)
def scatter_reduce_old(x, dim, index, src, reduce):
    """`keras.ops.scatter_update` with a reduction."""
    return scattered(x, *written(x, dim, index, src), REDUCTIONS[reduce])


@lowering(aten.scatter_reduce.two)
def scatter_reduce(x, dim, index, src, reduce, include_self=True):
    """`keras.ops.scatter_update` with a reduction; what was there counts as the neutral element if not as itself."""
    places, values = written(x, dim, index, src)
    start = x if include_self else cleared(x, places, values, reduce)
    if reduce != "mean":
        return scattered(start, places, values, REDUCTIONS[reduce])
    number = ops.ones_like if include_self else ops.zeros_like
    counts = ops.maximum(scattered(number(as_tensor(x)), places, ops.ones_like(values), "add"), 1)
    total = scattered(start, places, values, "add")
    return ops.divide(total, counts) if "float" in x.dtype else ops.floor_divide(total, counts)


@lowering(aten.index_reduce.default)
def index_reduce(x, dim, index, source, reduce, include_self=True):
    """`keras.ops.scatter_update` with a reduction, at the same places for all of the other dimensions."""
    rank, shape = max(x.ndim, 1), sizes_of(source)
    line = ops.reshape(as_tensor(index), _unit(dim % rank, -1, rank))
    whole = (
        broadcast_to(line, shape, _unit(dim % rank, sizes_of(source)[dim] if shape else 1, rank))
        if shape
        else line
    )
    assert isinstance(whole, Tensor)
    whole = whole.with_sizes(shape or (1,))
    return scatter_reduce(x, dim, whole, source, reduce, include_self)


@lowering(aten.put.default)
def put(x, index, source, accumulate=False):
    """`keras.ops.scatter_update` at positions of the flattened tensor."""
    have = sizes_of(x)
    flat = reshape(as_tensor(x), have, (size_product(have),))
    places = wrapped(ops.reshape(as_tensor(index), (-1, 1)), size_product(have))
    written_to = scattered(
        flat, places, ops.reshape(as_tensor(source), (-1,)), "add" if accumulate else None
    )
    return reshape(written_to, (size_product(have),), have)


def cleared(x: Any, places: Any, values: Tensor, reduce: str) -> Tensor:
    """`x` with what a reduction leaves alone at the places that are written to: the values themselves for extremes."""
    if reduce in ("amax", "amin"):
        return scattered(x, places, values)
    return scattered(x, places, ops.full_like(values, 1 if reduce == "prod" else 0))


def put_torch(args: Mapping[str, Any]) -> str | None:
    """The values broadcast against what indexing would give; a mask lies along the dimensions that it indexes."""
    if any(map(is_mask, args["indices"])):
        return _masked(args)
    names, terms, result, _ = index_names(args)
    values = result[len(result) - args["values"].type.rank :]
    return f"{' '.join(names)}, {', '.join(terms)}, {' '.join(values)} -> {' '.join(names)}"


def put_keras(args: Mapping[str, Any]) -> str | None:
    """The indexed dimensions first."""
    if any(map(is_mask, args["indices"])):
        return _masked_rows(args)
    names, terms, result, broad = index_names(args)
    names = sorted(names, key=lambda name: name[0])
    present = result[len(result) - args["values"].type.rank :]
    values = [n if n in present else "1" for n in [*broad, *(n for n in names if n[0] == "d")]]
    return f"{' '.join(names)}, {', '.join(terms)}, {' '.join(values)} -> {' '.join(names)}"


def _masked(args: Mapping[str, Any]) -> str | None:
    """A mask as the only index: `m` are its dimensions, and `c` counts the places that it names."""
    found = _mask_names(args)
    if found is None:
        return None
    names, mask, values = found
    return f"{' '.join(names)}, {' '.join(mask)}, {' '.join(values)} -> {' '.join(names)}"


def _masked_rows(args: Mapping[str, Any]) -> str | None:
    """The dimensions of the mask first; one value alone goes into any order."""
    found = _mask_names(args)
    if found is None or _is_one(args["values"].type.shape):
        return None
    names, mask, values = found
    rest = [n for n in names if n not in mask]
    written = [n if n in values else "1" for n in ["c'", *rest]]
    names = [*mask, *rest]
    return f"{' '.join(names)}, {' '.join(mask)}, {' '.join(written)} -> {' '.join(names)}"


def _mask_names(args: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]] | None:
    """Names of the dimensions of the operand, of the one mask and of the values; None for several indices.

    Where values differ from place to place, the order of the places matters.
    """
    x, values = args["self"].type, args["values"].type
    masks = [(at, v) for at, v in enumerate(args["indices"]) if v is not None]
    if len(masks) != 1:
        return None
    at, mask = masks[0]
    end = at + mask.type.rank
    order = "" if _is_one(values.shape) else "'"
    names = [f"m{d}{order}" if at <= d < end else f"d{d}" for d in range(x.rank)]
    if not order:
        return names, names[at:end], [f"v{k}" for k in range(values.rank)]
    result = [*names[:at], "c'", *names[end:]]
    return names, names[at:end], result[len(result) - values.rank :]


def _is_one(shape: Sequence[Size]) -> bool:
    return all(size == 1 for size in shape)


@lowering(aten.index_put.default, torch=put_torch, keras=put_keras)
def index_put(x, indices, values, accumulate=False, *, m=()):
    """`keras.ops.scatter_update`; of a mask, `keras.ops.where`."""
    tensors = [i for i in indices if i is not None]
    x = as_tensor(x)
    if any(t.dtype in ("bool", "uint8") for t in tensors):
        return put_masked(x, tensors, values, m, accumulate=accumulate)
    have = sizes_of(x)
    places, shape = positions(tensors, have)
    updates = as_tensor(broadcast_to(values, (*shape, *have[len(tensors) :])))
    extra = {"reduction": "add"} if accumulate else {}
    return ops.scatter_update(x, places, _flat(updates, len(shape)), **extra)


def positions(indices: Sequence[Any], sizes: Sequence[Size]) -> tuple[Any, tuple[Size, ...]]:
    """Index tensors broadcast together: the positions that they name, one a row; and their common shape."""
    shape = broadcast_shape([sizes_of(i) for i in indices])
    wraps = [wrapped(i, size) for i, size in zip(indices, sizes, strict=False)]
    known = [w.values() for w in wraps if isinstance(w, Weight)]
    if len(known) == len(wraps):
        return as_constant(
            torch.stack(torch.broadcast_tensors(*known), -1).reshape(-1, len(known))
        ), shape
    grown = [
        as_tensor(broadcast_to(w, shape, sizes_of(i))) for w, i in zip(wraps, indices, strict=True)
    ]
    return _flat(ops.stack(grown, axis=-1), len(shape)), shape


def _flat(x: Tensor, leading: int) -> Tensor:
    """The leading dimensions as one. Raises LoweringError where Keras cannot say so of several dynamic sizes."""
    first, rest = x.shape[:leading], x.shape[leading:]
    if leading == 1 or None not in rest:
        return x if leading == 1 else ops.reshape(x, (-1, *rest))
    if None in first or rest.count(None) > 1:
        raise LoweringError(
            "values of several dynamic sizes are written",
            [("next", "make these dimensions static")],
        )
    return ops.reshape(x, (math.prod(first), *(-1 if size is None else size for size in rest)))


def put_masked(
    x: Tensor, masks: Sequence[Any], values: Any, m: tuple[int, ...], *, accumulate: bool
) -> Tensor:
    """Values where a mask is true. Raises LoweringError for several masks."""
    if len(masks) > 1:
        raise LoweringError(
            "several masks at once", [("next", "combine them into one mask with &")]
        )
    others = tuple(d for d in range(x.ndim) if d not in m)
    mask = ops.expand_dims(masks[0], axis=others) if others else masks[0]
    if _is_one(sizes_of(values)):
        value = (
            values.reshape(*(1,) * x.ndim)
            if isinstance(values, Weight)
            else ops.reshape(values, (1,) * x.ndim)
        )
    else:
        value = rows_in_turn(as_tensor(masks[0]), as_tensor(values), sizes_of(x))
    return ops.where(mask, x + value if accumulate else value, x)


def rows_in_turn(mask: Tensor, values: Tensor, shape: Sequence[Size]) -> Tensor:
    """For each place of a mask the row of `values` that is written there: one for all, or the next one in turn."""
    between = tuple(range(1, mask.ndim))
    if sizes_of(values)[0] == 1:
        return ops.expand_dims(values, axis=between) if between else values
    numbers = ops.cumsum(cast(ops.reshape(mask, (-1,)), "int32")) - 1
    rows = ops.take(values, ops.maximum(numbers, 0), axis=0)
    rest = sizes_of(values)[1:]
    return reshape(rows, (size_product(shape[: mask.ndim]), *rest), (*shape[: mask.ndim], *rest))


def diagonal_put_torch(args: Mapping[str, Any]) -> str:
    """The diagonal comes last in `src`."""
    names, rest = diagonal_names(args)
    return f"{' '.join(names)}, {' '.join(rest)} e' -> {' '.join(names)}"


def diagonal_put_keras(args: Mapping[str, Any]) -> str:
    """The two dimensions last."""
    _, rest = diagonal_names(args)
    both = " ".join([*rest, "r'", "c'"])
    return f"{both}, {' '.join(rest)} e' -> {both}"


@lowering(aten.diagonal_scatter.default, torch=diagonal_put_torch, keras=diagonal_put_keras)
def diagonal_scatter(x, src, offset=0, dim1=0, dim2=1, *, context):
    """`keras.ops.where` on the diagonal, with the entries of `src` stretched along it."""
    rows, columns = map(count_positions, context.shapes[0][-2:])
    rows = ops.expand_dims(rows, 1)
    along = ops.minimum(ops.maximum(ops.minimum(rows, columns), 0), sizes_of(src)[-1] - 1)
    return ops.where(ops.equal(rows + offset, columns), ops.take(src, along, axis=-1), x)
