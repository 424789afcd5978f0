"""Histograms: how many entries fall into each bin."""

from __future__ import annotations

import math
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops
from torch2keras.ops.blocks.search import insertion

aten = torch.ops.aten


def counted(places: Tensor, there: Tensor, bins: int, weight: Tensor | None, dtype: str) -> Tensor:
    """The sum of the weights (or ones) at each bin."""
    marks = ops.one_hot(ops.minimum(places, bins - 1), bins, dtype=dtype)
    share = cast(there, dtype) if weight is None else cast(there, dtype) * weight
    return ops.sum(marks * ops.expand_dims(share, -1), axis=0)


def limits(x: Tensor, least: Any, most: Any, *, apart: float) -> tuple[Any, Any]:
    """The two ends: the extremes of the data where both are 0 or not given; equal ones are moved apart by `apart`."""
    if (least, most) in ((0, 0), (None, None)):
        least, most = ops.min(x), ops.max(x)
        equal = cast(ops.equal(least, most), x.dtype) * apart
        return least - equal, most + equal
    return (least - apart, most + apart) if least == most else (least, most)


@lowering(aten.histc.default)
def histc(x, bins=100, min=0, max=0):
    """A sum of `keras.ops.one_hot`."""
    x = ops.reshape(x, (-1,))
    low, high = limits(x, min, max, apart=1.0)
    places = cast(ops.floor((x - low) * bins / (high - low)), "int32")
    there = ops.logical_and(ops.greater_equal(x, low), ops.less_equal(x, high))
    return counted(ops.maximum(places, 0), there, bins, None, x.dtype)


def located(x: Tensor, edges: Any) -> tuple[Tensor, Tensor]:
    """The bin of each entry, and whether it has one; the last bin holds its right edge too."""
    there = ops.logical_and(ops.greater_equal(x, edges[0]), ops.less_equal(x, edges[-1]))
    places = ops.maximum(insertion(edges, x, right=True) - 1, 0)
    return ops.minimum(places, edges.shape[-1] - 2), there


def histogram(x: Tensor, edges: Any, weight: Any, density: bool) -> Tensor:
    """By the last edge that is not above an entry."""
    bins = edges.shape[-1] - 1
    x = ops.reshape(x, (-1,))
    weight = None if weight is None else ops.reshape(as_tensor(weight), (-1,))
    places, there = located(x, edges)
    found = counted(places, there, bins, weight, x.dtype)
    return found / (ops.sum(found) * (edges[1:] - edges[:-1])) if density else found


@lowering(aten.histogram.bins_tensor)
def histogram_of_edges(x, bins, weight=None, density=False):
    """A sum of `keras.ops.one_hot`."""
    edges = as_tensor(bins)
    return histogram(x, edges, weight, density), edges


@lowering(aten.histogram.bin_ct)
def histogram_of_bins(x, bins=100, range=None, weight=None, density=False):
    """A sum of `keras.ops.one_hot`; the edges are counted from both ends, as in `torch.linspace`."""
    low, high = limits(x, *(range or (None, None)), apart=0.5)
    step = (high - low) / bins
    numbers = ops.arange(bins + 1, dtype=x.dtype)
    at = ops.zeros_like(ops.reshape(x, (-1,))[0]) + numbers
    edges = ops.where(ops.less(at, (bins + 1) // 2), low + at * step, high - (bins - at) * step)
    return histogram(x, edges, weight, density), edges


@lowering(aten._histogramdd_from_bin_tensors.default)
def histogram_of_points(x, bins, weight=None, density=False):
    """A sum of `keras.ops.one_hot` over the combinations of bins, the last dimension's fastest."""
    x, edges = ops.reshape(x, (-1, len(bins))), [as_tensor(b) for b in bins]
    number: Any = None
    there: Any = None
    volume: Any = None
    for d, edge in enumerate(edges):
        place, inside = located(x[:, d], edge)
        width = ops.reshape(edge[1:] - edge[:-1], (-1,) + (1,) * (len(edges) - 1 - d))
        number = place if number is None else number * (edge.shape[0] - 1) + place
        there = inside if there is None else ops.logical_and(there, inside)
        volume = width if volume is None else volume * width
    sizes = tuple(edge.shape[0] - 1 for edge in edges)
    weight = None if weight is None else ops.reshape(as_tensor(weight), (-1,))
    found = ops.reshape(counted(number, there, math.prod(sizes), weight, x.dtype), sizes)
    return found / (ops.sum(found) * volume) if density else found
