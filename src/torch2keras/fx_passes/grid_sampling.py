"""Sampling of images at computed positions: rows of all channels are looked up, not each element.

PyTorch's own decomposition (torch/_decomp/decompositions.py) looks up each channel by itself, and
asks at each corner whether it is inside. Here a border of zeros answers that, or none is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch._decomp.decompositions import grid_sampler_2d as sample_elements

BILINEAR, NEAREST = 0, 1
"""PyTorch's numbers of the modes of interpolation."""

ZEROS, BORDER = 0, 1
"""PyTorch's numbers of what lies outside of an image."""

BEFORE, BEHIND = 1, 2
"""The zeros around an image: the corners of a position one outside of it are at most there."""

MOST_PIXELS = 2**24
"""Up to here float32 has every whole number."""


def grid_sampler_2d(
    x: Tensor,
    grid: Tensor,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool,  # noqa: FBT001 - as ATen calls it
) -> Tensor:
    """`x` (n, c, h, w) at the positions of `grid` (n, h', w', 2), which has x before y.

    The images of a batch, each with its border, are the rows of one table. NaN is -1, as
    `torch.nn.functional.grid_sample` says. Other modes, types and dynamic sizes are left to
    PyTorch's decomposition.
    """
    sizes = x.shape[2:]
    known = all(isinstance(size, int) for size in sizes)
    plain = interpolation_mode in (BILINEAR, NEAREST) and padding_mode in (ZEROS, BORDER)
    is_float = x.dtype == grid.dtype == torch.float32
    if not (known and plain and is_float and math.prod(sizes) < MOST_PIXELS):
        return own_sampler(x, grid, interpolation_mode, padding_mode, align_corners)
    height, width = sizes
    grid = torch.where(grid.isnan(), -1.0, grid)
    column = find_place(grid[..., 0], width, padding_mode, align_corners=align_corners)
    row = find_place(grid[..., 1], height, padding_mode, align_corners=align_corners)
    table = Table(x, padding_mode)
    if interpolation_mode == NEAREST:
        found = table.look_up(row.round(), column.round(), 0, 0)
        return found.permute(0, 3, 1, 2)
    top, left = row.floor(), column.floor()
    down, right = (row - top).unsqueeze(-1), (column - left).unsqueeze(-1)
    rows = []
    for step in (0, 1):
        first, second = [table.look_up(top, left, step, side) for side in (0, 1)]
        rows.append(first + right * (second - first))
    upper, lower = rows
    return (upper + down * (lower - upper)).permute(0, 3, 1, 2)


own_sampler: Callable[..., Tensor] = sample_elements
"""PyTorch's decomposition."""


def find_place(at: Tensor, size: int, padding_mode: int, *, align_corners: bool) -> Tensor:
    """Return positions in [-1, 1] as those of pixels, at most one outside of the image."""
    place = ((at + 1) * size - 1) / 2
    if align_corners:
        place = (at + 1) * ((size - 1) / 2)
    if padding_mode == BORDER:
        return place.clamp(0, size - 1)
    return place.clamp(-1, size)


class Table:
    """The pixels of all images of a batch as rows of channels."""

    def __init__(self, x: Tensor, padding_mode: int) -> None:
        batch, channels, height, width = x.shape
        before = BEFORE if padding_mode == ZEROS else 0
        pads = (before, BEHIND if before else 1)
        rows = torch.nn.functional.pad(x.permute(0, 2, 3, 1), (0, 0, *pads, *pads))
        self.width = width + sum(pads)
        size = (height + sum(pads)) * self.width
        self.rows = rows.reshape(batch * size, channels)
        first = torch.arange(batch, dtype=torch.int32) * size + before * (self.width + 1)
        self.first = first.view(-1, 1, 1)

    def look_up(self, row: Tensor, column: Tensor, down: int, right: int) -> Tensor:
        """Return the channels of the pixels so far down and right of whole positions."""
        first = self.first + (down * self.width + right)
        number = (row * self.width + column).to(torch.int32) + first
        return torch.nn.functional.embedding(number, self.rows)
