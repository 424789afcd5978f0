"""Histograms: how many entries fall into each bin."""

from __future__ import annotations

import math
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops
from torch2keras.ops.blocks.search import search_sorted

aten = torch.ops.aten


def count_places(
    places: Tensor, is_inside: Tensor, bins: int, weight: Tensor | None, dtype: str
) -> Tensor:
    """Return for each bin the sum of the weights (or ones) of the entries whose place it is.

    `places`, `is_inside` and `weight` have the shape (n,); an entry that is not inside counts
    nowhere.
    """
    marks = ops.one_hot(ops.minimum(places, bins - 1), bins, dtype=dtype)
    shares = cast(is_inside, dtype)
    if weight is not None:
        shares = shares * weight
    return ops.sum(marks * ops.expand_dims(shares, -1), axis=0)


def find_limits(x: Tensor, lower: Any, upper: Any, *, apart: float) -> tuple[Any, Any]:
    """Return the two ends: the extremes of the data where both are 0 or not given.

    Equal ones are moved apart by `apart` each.
    """
    if (lower, upper) in ((0, 0), (None, None)):
        smallest, largest = ops.min(x), ops.max(x)
        margin = cast(ops.equal(smallest, largest), x.dtype) * apart
        return smallest - margin, largest + margin
    if lower == upper:
        return lower - apart, upper + apart
    return lower, upper


@lowering(aten.histc.default)
def histc(x, bins=100, min=0, max=0):
    """The number of entries in each of equal bins, a sum of `keras.ops.one_hot`."""
    x = ops.reshape(x, (-1,))
    low, high = find_limits(x, min, max, apart=1.0)
    places = cast(ops.floor((x - low) * bins / (high - low)), "int32")
    is_inside = ops.logical_and(ops.greater_equal(x, low), ops.less_equal(x, high))
    return count_places(ops.maximum(places, 0), is_inside, bins, None, x.dtype)


def find_bins(x: Tensor, edges: Any) -> tuple[Tensor, Tensor]:
    """Return the bin of each entry, and whether it has one.

    The last bin holds its right edge too.
    """
    is_inside = ops.logical_and(ops.greater_equal(x, edges[0]), ops.less_equal(x, edges[-1]))
    places = ops.maximum(search_sorted(edges, x, right=True) - 1, 0)
    return ops.minimum(places, edges.shape[-1] - 2), is_inside


def flatten_weight(weight: Any) -> Tensor | None:
    """Return the weights of the entries in one row, or None where they count alike."""
    if weight is None:
        return None
    return ops.reshape(as_tensor(weight), (-1,))


def compute_histogram(x: Tensor, edges: Tensor, weight: Any, *, density: bool) -> Tensor:
    """Return the weights that fall between neighbouring edges, as a density if asked for."""
    x = ops.reshape(x, (-1,))
    places, is_inside = find_bins(x, edges)
    bins = edges.shape[-1] - 1
    found = count_places(places, is_inside, bins, flatten_weight(weight), x.dtype)
    if density:
        return found / (ops.sum(found) * (edges[1:] - edges[:-1]))
    return found


@lowering(aten.histogram.bins_tensor)
def histogram_of_edges(x, bins, weight=None, density=False):
    """The number of entries between edges, a sum of `keras.ops.one_hot`."""
    edges = as_tensor(bins)
    return compute_histogram(x, edges, weight, density=density), edges


@lowering(aten.histogram.bin_ct)
def histogram_of_bins(x, bins=100, range=None, weight=None, density=False):
    """The number of entries in each of equal bins, a sum of `keras.ops.one_hot`.

    The edges are counted from both ends, as in `torch.linspace`.
    """
    lower, upper = range or (None, None)
    low, high = find_limits(x, lower, upper, apart=0.5)
    step = (high - low) / bins
    numbers = ops.zeros_like(ops.reshape(x, (-1,))[0]) + ops.arange(bins + 1, dtype=x.dtype)
    from_low, from_high = low + numbers * step, high - (bins - numbers) * step
    edges = ops.where(ops.less(numbers, (bins + 1) // 2), from_low, from_high)
    return compute_histogram(x, edges, weight, density=density), edges


@lowering(aten._histogramdd_from_bin_tensors.default)
def histogram_of_points(x, bins, weight=None, density=False):
    """The number of points in each combination of bins, a sum of `keras.ops.one_hot`."""
    edges = [as_tensor(b) for b in bins]
    sizes = tuple(edge.shape[0] - 1 for edge in edges)
    points = ops.reshape(x, (-1, len(edges)))
    number, is_inside = find_cells(points, edges)
    weights = flatten_weight(weight)
    found = count_places(number, is_inside, math.prod(sizes), weights, x.dtype)
    found = ops.reshape(found, sizes)
    if density:
        return found / (ops.sum(found) * compute_volumes(edges))
    return found


def find_cells(points: Tensor, edges: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the cell of each point (n, d), and whether it has one.

    Cells are numbered with the bins of the last dimension running fastest.
    """
    number, is_inside = find_bins(points[:, 0], edges[0])
    for dim, edge in enumerate(edges[1:], 1):
        place, is_inside_here = find_bins(points[:, dim], edge)
        number = number * (edge.shape[0] - 1) + place
        is_inside = ops.logical_and(is_inside, is_inside_here)
    return number, is_inside


def compute_volumes(edges: list[Tensor]) -> Tensor:
    """Return the volume of each cell, with a dimension of bins for each row of edges."""
    volume = edges[0][1:] - edges[0][:-1]
    for edge in edges[1:]:
        volume = ops.expand_dims(volume, -1) * (edge[1:] - edge[:-1])
    return volume
