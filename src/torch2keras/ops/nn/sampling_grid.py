"""Sampling of volumes at computed positions; that of images is decomposed by PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import reduce

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.symbolic import size_product
from torch2keras.lower.dynamic_sizes import count_positions, sizes_of
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops

aten = torch.ops.aten

BILINEAR, NEAREST = 0, 1
"""PyTorch's numbers of the modes of interpolation."""

ZEROS, BORDER, REFLECTION = 0, 1, 2
"""PyTorch's numbers of what lies outside of a volume."""


@lowering(
    aten.grid_sampler_3d.default, torch="n c a' b' e', n x' y' z' k' -> n c x' y' z'",
    keras="n a' b' e' c, n x' y' z' k' -> n x' y' z' c",
)  # fmt: skip
def grid_sampler_3d(x, grid, interpolation_mode, padding_mode, align_corners):
    """`keras.ops.take` of the eight corners around each position, weighted by how near they are."""
    batch, *lengths, channels = shape = sizes_of(x)
    is_static = all(isinstance(length, int) for length in lengths)
    if interpolation_mode not in (BILINEAR, NEAREST) or not is_static:
        raise LoweringError(
            "sampling by cubes, or of a dynamic volume", [("next", "give the volume fixed sizes")]
        )
    grid = as_tensor(grid)
    # The last coordinate of a grid is along the first dimension of a volume.
    coordinates = [grid[..., 2], grid[..., 1], grid[..., 0]]
    places = find_places(coordinates, lengths, padding_mode, align_corners=align_corners)
    flat = reshape(as_tensor(x), shape, (size_product(shape[:-1]), channels))
    first = ops.reshape(count_positions(batch) * size_product(lengths), (-1, 1, 1, 1))
    if interpolation_mode == NEAREST:
        return sample(flat, first, [ops.round(place) for place in places], lengths)
    return interpolate_corners(flat, first, places, lengths)


def find_places(
    coordinates: Sequence[Tensor], lengths: Sequence[int], padding_mode: int, *, align_corners: bool
) -> list[Tensor]:
    """Coordinates in [-1, 1] as positions along the dimensions, in or outside of the volume."""
    places = []
    for at, length in zip(coordinates, lengths, strict=True):
        if align_corners:
            place = (at + 1.0) * ((length - 1) / 2)
        else:
            place = ((at + 1.0) * length - 1.0) / 2.0
        if padding_mode == REFLECTION:
            place = reflect_place(place, length, align_corners=align_corners)
        if padding_mode != ZEROS:
            place = ops.clip(place, 0.0, length - 1.0)
        places.append(place)
    return places


def reflect_place(place: Tensor, length: int, *, align_corners: bool) -> Tensor:
    """A position mirrored at both ends of a dimension as often as it takes.

    The ends are the middles of the outer elements with `align_corners`, else their edges.
    """
    low, span = (0.0, length - 1.0) if align_corners else (-0.5, float(length))
    away = ops.abs(place - low)
    if span == 0:
        return ops.zeros_like(away) + low
    turns = ops.floor(away / span)
    rest = away - turns * span
    return ops.where(ops.equal(ops.mod(turns, 2.0), 0.0), rest, span - rest) + low


def interpolate_corners(
    flat: Tensor, first: Tensor, places: Sequence[Tensor], lengths: Sequence[int]
) -> Tensor:
    """The entries of the corners around each position, weighted by how near they are."""
    floors = [ops.floor(place) for place in places]
    parts = []
    for steps in itertools.product((0.0, 1.0), repeat=len(places)):
        corner, weights = [], []
        for place, floor, step in zip(places, floors, steps, strict=True):
            corner.append(floor + step)
            weights.append(place - floor if step else 1.0 - (place - floor))
        weight = ops.expand_dims(reduce(ops.multiply, weights), -1)
        parts.append(sample(flat, first, corner, lengths) * weight)
    return reduce(ops.add, parts)


def sample(flat: Tensor, first: Tensor, corner: Sequence[Tensor], lengths: Sequence[int]) -> Tensor:
    """The entries at whole positions; zero outside.

    `flat` is (volumes and their elements, channels), `first` the number of each volume's first
    element.
    """
    insides = []
    number = first
    stride = size_product(lengths)
    for place, length in zip(corner, lengths, strict=True):
        stride //= length
        insides.append(ops.logical_and(ops.greater_equal(place, 0.0), ops.less(place, length)))
        number = number + cast(ops.clip(place, 0.0, length - 1.0), "int32") * stride
    inside = ops.expand_dims(reduce(ops.logical_and, insides), -1)
    return ops.where(inside, ops.take(flat, number, axis=0), 0.0)
