"""Sampling of volumes at computed positions; that of images is decomposed by PyTorch."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.symbolic import size_product
from torch2keras.lower.dynamic_sizes import count_positions, sizes_of
from torch2keras.lower.rearrange import reshape
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops

aten = torch.ops.aten


BILINEAR, NEAREST = 0, 1


ZEROS, BORDER, REFLECTION = 0, 1, 2


def position(at: Tensor, size: int, padding_mode: int, align_corners: bool) -> Tensor:
    """Coordinates in [-1, 1] as positions of a dimension, brought into it as the padding mode says."""
    at = (at + 1.0) * ((size - 1) / 2) if align_corners else ((at + 1.0) * size - 1.0) / 2.0
    if padding_mode == REFLECTION:
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        away = ops.abs(at - low)
        turns = ops.floor(away / span) if span else ops.zeros_like(away)
        rest = away - turns * span if span else ops.zeros_like(away)
        at = ops.where(ops.equal(ops.mod(turns, 2.0), 0.0), rest, span - rest) + low
    return at if padding_mode == ZEROS else ops.clip(at, 0.0, size - 1.0)


def corners(places: list[Tensor], interpolation_mode: int) -> list[tuple[list[Tensor], Any]]:
    """Whole positions, and how much each of them counts."""
    if interpolation_mode == NEAREST:
        return [([ops.round(p) for p in places], 1.0)]
    floors, found = [ops.floor(p) for p in places], []
    for step in itertools.product((0, 1), repeat=len(places)):
        weight: Any = 1.0
        for p, low, up in zip(places, floors, step, strict=True):
            weight = (p - low if up else 1.0 - (p - low)) * weight
        found.append(([low + float(up) for low, up in zip(floors, step, strict=True)], weight))
    return found


@lowering(
    aten.grid_sampler_3d.default, torch="n c a' b' e', n x' y' z' k' -> n c x' y' z'",
    keras="n a' b' e' c, n x' y' z' k' -> n x' y' z' c",
)  # fmt: skip
def grid_sampler_3d(x, grid, interpolation_mode, padding_mode, align_corners):
    """`keras.ops.take` of the eight corners around each position, weighted by how near they are."""
    shape, grid = sizes_of(x), as_tensor(grid)
    if interpolation_mode not in (BILINEAR, NEAREST) or not all(
        isinstance(s, int) for s in shape[1:-1]
    ):
        raise LoweringError(
            "sampling by cubes, or of a dynamic volume", [("next", "give the volume fixed sizes")]
        )
    lengths = shape[1:-1]
    places = [
        position(grid[..., 2 - d], size, padding_mode, align_corners)
        for d, size in enumerate(lengths)
    ]
    flat = reshape(as_tensor(x), shape, (size_product(shape[:-1]), shape[-1]))
    first = ops.reshape(count_positions(shape[0]) * size_product(lengths), (-1, 1, 1, 1))
    total = None
    for at, weight in corners(places, interpolation_mode):
        part = sampled(flat, first, at, lengths)
        part = part if isinstance(weight, float) else part * ops.expand_dims(weight, -1)
        total = part if total is None else total + part
    return total


def sampled(flat: Tensor, first: Tensor, at: list[Tensor], lengths: Any) -> Tensor:
    """The entries at whole positions; zero outside."""
    inside: Any = True
    number = first
    stride = size_product(lengths)
    for p, size in zip(at, lengths, strict=True):
        stride //= size
        within = ops.logical_and(ops.greater_equal(p, 0.0), ops.less(p, size))
        inside = within if inside is True else ops.logical_and(inside, within)
        number = number + cast(ops.clip(p, 0.0, size - 1.0), "int32") * stride
    return ops.where(ops.expand_dims(inside, -1), ops.take(flat, number, axis=0), 0.0)
