"""Adaptive pooling: to a given size, whatever the length."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
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

PRIME = "'"

Part = tuple[int, int]
"""The first element of a window, and the one behind its last."""


@dataclass(frozen=True)
class Pool:
    """What is done with the elements of a window."""

    layer: str
    """The name in Keras's layers of pooling."""
    reduce: Callable[..., Any]
    reduce_windows: Callable[[Tensor, int, Sequence[Part]], Tensor]
    """The same for unequal windows along one axis."""


def average_windows(x: Tensor, axis: int, windows: Sequence[Part]) -> Tensor:
    """The mean of each window along one axis."""
    matrix = torch.zeros(len(windows), windows[-1][1], dtype=torch.float64)
    for row, (start, end) in zip(matrix, windows, strict=True):
        row[start:end] = 1 / (end - start)
    return resample(x, axis, Taps.of_matrix(matrix))


def max_windows(x: Tensor, axis: int, windows: Sequence[Part]) -> Tensor:
    """The maximum of each window along one axis.

    Few windows are slices; of many, all first elements are taken together, all second ones, ...
    """
    widest = max(end - start for start, end in windows)
    if len(windows) <= widest:
        slices = [x[index_along(axis, slice(*window))] for window in windows]
        maxima = [ops.max(part, axis=axis, keepdims=True) for part in slices]
        return ops.concatenate(maxima, axis=axis)
    starts, ends = torch.tensor(windows).T
    taps = [pick(x, axis, torch.minimum(starts + tap, ends - 1)) for tap in range(widest)]
    return reduce(ops.maximum, taps)


AVERAGE = Pool("Average", ops.mean, average_windows)
MAX = Pool("Max", ops.max, max_windows)


def name_dims(args: Mapping[str, Any], prime: str) -> str:
    """The names of the pooled dimensions, primed where the order of their elements matters."""
    return " ".join(f"s{i}{prime}" for i in range(len(args["output_size"])))


def adaptive_avg_torch(args: Mapping[str, Any]) -> str:
    """The order of elements does not matter in the mean of all of them."""
    is_global = set(args["output_size"]) == {1}
    before = name_dims(args, "" if is_global else PRIME)
    return f"n? c {before} -> n? c {name_dims(args, PRIME)}"


def adaptive_max_torch(args: Mapping[str, Any]) -> str:
    """The order of elements decides the index of a maximum."""
    dims = name_dims(args, PRIME)
    return f"n? c {dims} -> n? c {dims}"


def adaptive_keras(args: Mapping[str, Any]) -> str | None:
    """Channels last, where it is plain pooling; None for any order."""
    sizes = args["output_size"]
    lengths = args["self"].type.shape[-len(sizes) :]
    if set(sizes) == {1} or find_equal_windows(lengths, sizes) is None:
        return None
    dims = name_dims(args, PRIME)
    return f"n {dims} c -> n {dims} c"


@lowering(
    aten.adaptive_avg_pool1d.default, aten.adaptive_avg_pool2d.default,
    aten.adaptive_avg_pool3d.default, aten._adaptive_avg_pool2d.default,
    aten._adaptive_avg_pool3d.default,
    torch=adaptive_avg_torch, keras=adaptive_keras,
)  # fmt: skip
def adaptive_avg_pool(x, output_size, *, s):
    """`GlobalAveragePooling`, `AveragePooling` where the windows are equal, else a weighted sum."""
    return pool_adaptively(x, s, output_size, AVERAGE)


@lowering(
    aten.adaptive_max_pool1d.default, aten.adaptive_max_pool2d.default,
    aten.adaptive_max_pool3d.default,
    torch=adaptive_max_torch, keras=adaptive_keras,
)  # fmt: skip
def adaptive_max_pool(x, output_size, *, s, context):
    """`GlobalMaxPooling`, `MaxPooling` where the windows are equal, else the maxima of slices.

    Only equal windows have indices.
    """
    indices = None
    if context.used[1] and are_spatial(x, s):
        windows = find_equal_windows([x.shape[axis] for axis in s], output_size)
        if windows is not None and math.prod(windows.kernel) <= MOST_TAPS:
            indices = find_max_positions(x, windows, output_size)
    return pool_adaptively(x, s, output_size, MAX), indices


def are_spatial(x: Tensor, axes: Sequence[int]) -> bool:
    """Whether the axes are all those between the first and the last one, as layers have them."""
    return tuple(axes) == tuple(range(1, x.ndim - 1))


def find_equal_windows(lengths: Sequence[Any], sizes: Sequence[Any]) -> Windows | None:
    """The windows where they are equally long and stand side by side, else None."""
    kernel = []
    for length, size in zip(lengths, sizes, strict=True):
        if not isinstance(length, int) or not isinstance(size, int) or length % size:
            return None
        kernel.append(length // size)
    rank = len(kernel)
    return Windows(tuple(kernel), tuple(kernel), (0,) * rank, (1,) * rank, ceil=False)


def pool_adaptively(x: Tensor, axes: Sequence[int], sizes: Sequence[Any], pool: Pool) -> Tensor:
    """All dimensions together where they are whole or equally divided, else one after the other."""
    has_layer = are_spatial(x, axes) and x.is_float
    if set(sizes) == {1}:
        if has_layer:
            return getattr(layers, f"Global{pool.layer}Pooling{len(axes)}D")(keepdims=True)(x)
        return pool.reduce(x, axis=tuple(axes), keepdims=True)
    lengths = [x.shape[axis] for axis in axes]
    if lengths == list(sizes):
        return x
    windows = find_equal_windows(lengths, sizes)
    if has_layer and windows is not None:
        return apply_pooling(pool.layer, x, windows)
    for axis, size in zip(axes, sizes, strict=True):
        x = pool_along(x, axis, size, pool)
    return x


def pool_along(x: Tensor, axis: int, size: Any, pool: Pool) -> Tensor:
    """One dimension pooled to `size` elements. Raises LoweringError where it is dynamic."""
    if size == 1:
        return pool.reduce(x, axis=axis, keepdims=True)
    length = x.shape[axis]
    if length is None or not isinstance(size, int):
        raise LoweringError(
            f"adaptive pooling of a dynamic dimension to the size {size}",
            [("next", "make the dimension static: leave it out of dynamic_shapes")],
        )
    return pool.reduce_windows(x, axis, find_windows(length, size))


def find_windows(length: int, size: int) -> list[Part]:
    """PyTorch's windows: from floor(i length / size) to ceil((i + 1) length / size)."""
    return [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
