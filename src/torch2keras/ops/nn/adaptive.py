"""Adaptive apply_pooling: to a given size, whatever the length."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import Tensor, layers, ops
from torch2keras.ops.blocks.pooling_windows import (
    MOST_TAPS,
    Windows,
    apply_pooling,
    find_max_positions,
)
from torch2keras.ops.blocks.resampling import Taps, pick, resample
from torch2keras.ops.blocks.slices import index_along

aten = torch.ops.aten


def even(args: Mapping[str, Any]) -> bool:
    """Whether all windows are equally long and stand side by side: then it is plain apply_pooling."""
    sizes = args["output_size"]
    lengths = args["self"].type.shape[-len(sizes) :]
    return set(sizes) != {1} and all(
        isinstance(n, int) and n % size == 0 for n, size in zip(lengths, sizes, strict=True)
    )


def adaptive_torch(args: Mapping[str, Any]) -> str:
    """In the mean of all elements their order does not matter; of a maximum it decides the index."""
    prime = "" if set(args["output_size"]) == {1} else "'"
    return pooled(args, prime)


def adaptive_max_torch(args: Mapping[str, Any]) -> str:
    return pooled(args, "'")


def pooled(args: Mapping[str, Any], prime: str) -> str:
    """The pattern over the pooled dimensions."""
    rank = len(args["output_size"])
    before, after = (" ".join(f"s{i}{mark}" for i in range(rank)) for mark in (prime, "'"))
    return f"n? c {before} -> n? c {after}"


def adaptive_keras(args: Mapping[str, Any]) -> str | None:
    """Plain apply_pooling wants channels last."""
    dims = " ".join(f"s{i}'" for i in range(len(args["output_size"])))
    return f"n {dims} c -> n {dims} c" if even(args) else None


@lowering(
    aten.adaptive_avg_pool1d.default, aten.adaptive_avg_pool2d.default, aten.adaptive_avg_pool3d.default,
    aten._adaptive_avg_pool2d.default, aten._adaptive_avg_pool3d.default,
    torch=adaptive_torch, keras=adaptive_keras,
)  # fmt: skip
def adaptive_avg_pool(x, output_size, *, s):
    """`GlobalAveragePooling`, `AveragePooling` where the windows are equal, else a weighted sum."""
    return adaptive(x, s, output_size, "Average", uneven_mean)


@lowering(
    aten.adaptive_max_pool1d.default, aten.adaptive_max_pool2d.default, aten.adaptive_max_pool3d.default,
    torch=adaptive_max_torch, keras=adaptive_keras,
)  # fmt: skip
def adaptive_max_pool(x, output_size, *, s, context):
    """`GlobalMaxPooling`, `MaxPooling` where the windows are equal, else the maxima of slices; indices of equal."""
    known = context.used[1] and s == tuple(range(1, x.ndim - 1))
    equal = equal_windows([x.shape[axis] for axis in s], output_size) if known else None
    few = equal if equal is not None and math.prod(equal.kernel) <= MOST_TAPS else None
    indices = None if few is None else find_max_positions(x, few, output_size)
    return adaptive(x, s, output_size, "Max", uneven_max), indices


def equal_windows(lengths: Sequence[int | None], sizes: Sequence[Any]) -> Windows | None:
    """The windows where they are equally long and stand side by side."""
    if not all(
        n and isinstance(size, int) and n % size == 0
        for n, size in zip(lengths, sizes, strict=True)
    ):
        return None
    kernel = tuple(n // size for n, size in zip(lengths, sizes, strict=True) if n)
    return Windows(kernel, kernel, (0,) * len(kernel), (1,) * len(kernel), ceil=False)


def adaptive(
    x: Tensor, axes: Sequence[int], sizes: Sequence[Any], kind: str, uneven: Callable[..., Tensor]
) -> Tensor:
    """All dimensions together where they are whole or equally divided, else one after the other."""
    last = tuple(axes) == tuple(range(1, x.ndim - 1)) and "float" in x.dtype
    reduce = {"Average": ops.mean, "Max": ops.max}[kind]
    if set(sizes) == {1}:
        if last:
            return getattr(layers, f"Global{kind}Pooling{len(axes)}D")(keepdims=True)(x)
        return reduce(x, axis=tuple(axes), keepdims=True)
    lengths = [x.shape[axis] for axis in axes]
    if lengths == list(sizes):
        return x
    if last and (equal := equal_windows(lengths, sizes)) is not None:
        return apply_pooling(kind, x, equal)
    for axis, length, size in zip(axes, lengths, sizes, strict=True):
        if (length is None and size != 1) or not isinstance(size, int):
            raise LoweringError(
                f"adaptive apply_pooling of a dynamic dimension to the size {size}",
                [("next", "make the dimension static: leave it out of dynamic_shapes")],
            )
        x = (
            reduce(x, axis=axis, keepdims=True)
            if size == 1
            else uneven(x, axis, windows(int(length or 0), size))
        )
    return x


def windows(length: int, size: int) -> list[tuple[int, int]]:
    """Start and end of each of PyTorch's windows."""
    return [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]


def uneven_mean(x: Tensor, axis: int, parts: Sequence[tuple[int, int]]) -> Tensor:
    """The mean of each window."""
    matrix = torch.zeros(len(parts), parts[-1][1], dtype=torch.float64)
    for row, (start, end) in zip(matrix, parts, strict=True):
        row[start:end] = 1 / (end - start)
    return resample(x, axis, Taps.of_matrix(matrix))


def uneven_max(x: Tensor, axis: int, parts: Sequence[tuple[int, int]]) -> Tensor:
    """The maximum of each window: of slices where the windows are few, else element by element of all of them."""
    widest = max(end - start for start, end in parts)
    if len(parts) <= widest:
        slices = [
            ops.max(x[index_along(axis, slice(*part))], axis=axis, keepdims=True) for part in parts
        ]
        return ops.concatenate(slices, axis=axis)
    places = [
        torch.tensor([min(start + t, end - 1) for start, end in parts]) for t in range(widest)
    ]
    best = pick(x, axis, places[0])
    for place in places[1:]:
        best = ops.maximum(best, pick(x, axis, place))
    return best
