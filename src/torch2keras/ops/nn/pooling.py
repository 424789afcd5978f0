"""Max and average apply_pooling over windows, of one, two and three dimensions."""

from __future__ import annotations

import math
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
from torch2keras.ops.blocks.slices import index_along

aten = torch.ops.aten


def windows(rank, kernel_size, stride, padding, dilation, ceil_mode):
    """The windows of an ATen apply_pooling op, whose default stride is the kernel's size."""
    kernel = as_tuple(kernel_size, rank)
    strides, pads, dilations = (as_tuple(v, rank) for v in (stride or kernel, padding, dilation))
    return Windows(kernel, strides, pads, dilations, ceil_mode)


def terms(rank: int) -> dict[str, Any]:
    """The declaration of a apply_pooling over the last `rank` dimensions."""
    dims = " ".join(f"s{i}'" for i in range(rank))
    return {"torch": f"n? c {dims} -> n? c {dims}", "keras": f"n {dims} c -> n {dims} c"}


@lowering(aten.max_pool1d.default, **terms(1))
@lowering(aten.max_pool2d.default, **terms(2))
@lowering(aten.max_pool3d.default, **terms(3))
def max_pool(x, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False):
    """`MaxPooling`, behind a padding with -inf where "same" is not equal for every length."""
    w = windows(x.ndim - 2, kernel_size, stride, padding, dilation, ceil_mode)
    if max(w.dilation) == 1 and "float" in x.dtype:
        native = w.is_same
        x = x if native else pad_spatial(x, w.pads, lowest_number(x.dtype))
        return apply_pooling("Max", x, w, "same" if native else "valid")
    # Integers have no apply_pooling on every backend, nor their lowest_number a constant; an undilated window that hangs over an end
    # holds that end's element anyway, so repeating it changes nothing.
    whole = max(w.dilation) == 1
    x = (
        replicate(x, dict(enumerate(w.pads, start=1)))
        if whole
        else pad_spatial(x, w.pads, lowest_number(x.dtype))
    )
    for axis, (k, s, d) in enumerate(zip(w.kernel, w.stride, w.dilation, strict=True), start=1):
        x = thinned_max(x, axis, k, s, d)
    return x


@lowering(aten.max_pool1d_with_indices.default, **terms(1))
@lowering(aten.max_pool2d_with_indices.default, **terms(2))
@lowering(aten.max_pool3d_with_indices.default, **terms(3))
def max_pool_with_indices(
    x, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False, *, context
):
    """`MaxPooling`; the indices, where they are used, are an `argmax` over stacked slices."""
    w = windows(x.ndim - 2, kernel_size, stride, padding, dilation, ceil_mode)
    few = math.prod(w.kernel) <= MOST_TAPS
    indices = find_max_positions(x, w, context.shapes[1][1:-1]) if few else None
    return max_pool(x, kernel_size, stride, padding, dilation, ceil_mode), indices


def thinned_max(x: Tensor, axis: int, kernel: int, stride: int, dilation: int) -> Tensor:
    """The largest of `kernel` elements `dilation` apart, along one axis: stock Keras dilates no apply_pooling."""
    last = dilation * (kernel - 1)
    taps = [
        x[index_along(axis, slice(j, j - last or None, stride))]
        for j in range(0, last + 1, dilation)
    ]
    best = taps[0]
    for tap in taps[1:]:
        best = ops.maximum(best, tap)
    return best


@lowering(aten.avg_pool1d.default, **terms(1))
def avg_pool1d(x, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True):
    """`AveragePooling1D`; what lies in the padding is counted or not, as PyTorch does."""
    return average(x, windows(1, kernel_size, stride, padding, 1, ceil_mode), count_include_pad)


@lowering(aten.avg_pool2d.default, **terms(2))
@lowering(aten.avg_pool3d.default, **terms(3))
def avg_pool(
    x,
    kernel_size,
    stride=(),
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """`AveragePooling`; what lies in the padding is counted or not, as PyTorch does."""
    w = windows(x.ndim - 2, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is None:
        return average(x, w, count_include_pad)
    return apply_pooling("Average", pad_spatial(x, w.pads), w) * (
        math.prod(w.kernel) / divisor_override
    )


def average(x: Tensor, w: Windows, count_padding: bool) -> Tensor:
    """The mean over windows. Keras counts no padding with "same", and all of it with explicit zeros."""
    padded, ragged = max(w.padding) > 0, max(w.overhang) > 0
    if w.is_same and not (padded and count_padding):
        return apply_pooling("Average", x, w, "same")
    means = apply_pooling("Average", pad_spatial(x, w.pads), w)
    if not ragged and (count_padding or not padded):
        return means
    # Of each window, the share that counts: the same apply_pooling over ones.
    one = slice(0, 1)
    ones = ops.ones_like(x[(one, *[slice(None)] * len(w.kernel), one)])
    counted = pad_spatial(ones, [(p, p) for p in w.padding], float(count_padding))
    return means / apply_pooling(
        "Average", pad_spatial(counted, [(0, more) for more in w.overhang]), w
    )
