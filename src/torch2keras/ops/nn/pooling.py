"""Max and average pooling over windows, of one, two and three dimensions."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks.padding import as_tuple, pad_spatial, replicate
from torch2keras.ops.blocks.pooling_windows import (
    MOST_TAPS,
    Windows,
    apply_pooling,
    find_max_positions,
    lowest_number,
)
from torch2keras.ops.blocks.slices import index_along, window_slices

aten = torch.ops.aten


def read_windows(rank, kernel_size, stride, padding, dilation, ceil_mode) -> Windows:
    """The windows of an ATen pooling op, whose default stride is the kernel's size."""
    kernel = as_tuple(kernel_size, rank)
    strides = as_tuple(stride or kernel, rank)
    return Windows(kernel, strides, as_tuple(padding, rank), as_tuple(dilation, rank), ceil_mode)


def pooling_axes(rank: int) -> dict[str, Any]:
    """The declaration of a pooling over the last `rank` dimensions; Keras has the channels last."""
    dims = " ".join(f"s{i}'" for i in range(rank))
    return {"torch": f"n? c {dims} -> n? c {dims}", "keras": f"n {dims} c -> n {dims} c"}


@lowering(aten.max_pool1d.default, **pooling_axes(1))
@lowering(aten.max_pool2d.default, **pooling_axes(2))
@lowering(aten.max_pool3d.default, **pooling_axes(3))
def max_pool(x, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
    """`MaxPooling`, behind a padding with -inf where "same" is not equal for every length."""
    windows = read_windows(x.ndim - 2, kernel_size, stride, padding, dilation, ceil_mode)
    if max(windows.dilation) > 1 or not x.is_float:
        return max_of_slices(x, windows)
    if windows.is_same:
        return apply_pooling("Max", x, windows, "same")
    return apply_pooling("Max", pad_spatial(x, windows.pads, lowest_number(x.dtype)), windows)


@lowering(aten.max_pool1d_with_indices.default, **pooling_axes(1))
@lowering(aten.max_pool2d_with_indices.default, **pooling_axes(2))
@lowering(aten.max_pool3d_with_indices.default, **pooling_axes(3))
def max_pool_with_indices(
    x, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False, *, context
):
    """`MaxPooling`; the indices, where they are used, are an `argmax` over stacked slices."""
    windows = read_windows(x.ndim - 2, kernel_size, stride, padding, dilation, ceil_mode)
    indices = None
    if math.prod(windows.kernel) <= MOST_TAPS:
        indices = find_max_positions(x, windows, context.shapes[1][1:-1])
    return max_pool(x, kernel_size, stride, padding, dilation, ceil_mode), indices


def max_of_slices(x: Tensor, windows: Windows) -> Tensor:
    """The largest element of each window: maxima of strided slices, one axis after the other.

    Stock Keras dilates no pooling, has none of integers on every backend, and no constant for
    padding with their lowest number.
    """
    if max(windows.dilation) == 1:
        # A window that hangs over an end holds the element there: repeating it changes nothing.
        x = replicate(x, dict(enumerate(windows.pads, start=1)))
    else:
        x = pad_spatial(x, windows.pads, lowest_number(x.dtype))
    rows = zip(windows.kernel, windows.stride, windows.dilation, strict=True)
    for axis, row in enumerate(rows, start=1):
        taps = [x[index_along(axis, part)] for part in window_slices(*row)]
        x = reduce(ops.maximum, taps)
    return x


@lowering(aten.avg_pool1d.default, **pooling_axes(1))
def avg_pool1d(x, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True):
    """`AveragePooling1D`; what lies in the padding is counted or not, as PyTorch does."""
    windows = read_windows(1, kernel_size, stride, padding, 1, ceil_mode)
    return average(x, windows, count_padding=count_include_pad)


@lowering(aten.avg_pool2d.default, **pooling_axes(2))
@lowering(aten.avg_pool3d.default, **pooling_axes(3))
def avg_pool(
    x, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True,
    divisor_override=None,
):  # fmt: skip
    """`AveragePooling`; what lies in the padding is counted or not, as PyTorch does."""
    windows = read_windows(x.ndim - 2, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is None:
        return average(x, windows, count_padding=count_include_pad)
    means = apply_pooling("Average", pad_spatial(x, windows.pads), windows)
    return means * (math.prod(windows.kernel) / divisor_override)


def average(x: Tensor, windows: Windows, *, count_padding: bool) -> Tensor:
    """The mean over windows: Keras counts no padding with "same", all of it with explicit zeros."""
    is_padded, hangs_over = max(windows.padding) > 0, max(windows.overhang) > 0
    if windows.is_same and not (is_padded and count_padding):
        return apply_pooling("Average", x, windows, "same")
    means = apply_pooling("Average", pad_spatial(x, windows.pads), windows)
    counts_all = count_padding or not is_padded
    if counts_all and not hangs_over:
        return means
    return means / average_count(x, windows, count_padding=count_padding)


def average_count(x: Tensor, windows: Windows, *, count_padding: bool) -> Tensor:
    """The share of each window's elements that counts, (1, *s, 1): the same pooling over ones."""
    first = slice(0, 1)
    ones = ops.ones_like(x[(first, *[slice(None)] * len(windows.kernel), first)])
    counted = pad_spatial(ones, [(p, p) for p in windows.padding], float(count_padding))
    whole = pad_spatial(counted, [(0, more) for more in windows.overhang])
    return apply_pooling("Average", whole, windows)
