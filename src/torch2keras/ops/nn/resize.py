"""Resizing: `F.interpolate` in its modes, dimension by dimension.

Keras resizes images alone and in float32 on TensorFlow, so each mode is what it is by definition: a
weighted sum of neighbours. A factor that is a whole number, or one over it, needs no constant and
holds for every length; for others of a dynamic length the model computes the places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from torch2keras.declarations.context import Context
from torch2keras.declarations.registry import OpOverload, lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.lower.dynamic_sizes import sizes_of
from torch2keras.lower.recorder import Tensor, layers
from torch2keras.ops.blocks.dynamic_resampling import Grid, take_at_outputs, take_neighbours
from torch2keras.ops.blocks.resampling import Taps, interleave, pick, repeat_each, resample, thin
from torch2keras.ops.blocks.slices import index_along

aten = torch.ops.aten

Kernel = Callable[[Any], list[Any]]
"""Distance from the element on the left, (n,) in [0, 1) -> weights of each neighbour, (n,).

The numbers may be known, or computed by the model.
"""


def tabulate(kernel: Kernel, t: torch.Tensor) -> torch.Tensor:
    """The weights of known distances as one table, (n, taps)."""
    return torch.stack(kernel(t), 1)


def linear_weights(t: Any) -> list[Any]:
    """The weights of the elements 0 and 1."""
    return [1 - t, t]


def cubic_weights(t: Any) -> list[Any]:
    """The weights of the elements -1, 0, 1 and 2.

    (R. Keys, "Cubic convolution interpolation for digital image processing", 1981, with a = -0.75,
    https://doi.org/10.1109/TASSP.1981.1163711)
    """
    a = -0.75

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


@dataclass(frozen=True)
class Resize:
    """How one dimension is resized: to `size` or by `factor`.

    With both the factor decides the places.
    """

    size: Size | None = None
    factor: float | None = None
    align: bool = False
    """Whether the middles of the outer elements stay where they are, `align_corners`."""
    before: Size = 0
    """The old length, as an expression where it is dynamic."""
    after: Size = 0
    """The new one."""

    def output_length(self, length: int) -> Size:
        """The new length."""
        if self.size is not None:
            return self.size
        return math.floor(length * float(self.factor or 1))

    def step(self, length: int | None) -> float | None:
        """How many input elements one output is; None where that depends on a dynamic length."""
        if self.factor is not None:
            return 1.0 / self.factor
        if length is None or not isinstance(self.size, int):
            return None
        return length / self.size

    def grid(self) -> Grid:
        """Where the outputs lie, computed by the model."""
        return Grid(self.before, self.after, None if self.factor is None else 1.0 / self.factor)

    def whole_factors(self, length: int | None) -> tuple[int | None, int | None]:
        """The outputs of an element, and the elements of an output; None for no whole number."""
        step = self.step(length)
        if self.align or not step:
            return None, None
        return as_whole_number(1 / step), as_whole_number(step)


def as_whole_number(number: float) -> int | None:
    """A positive number as an int where it is one, else None."""
    nearest = round(number)
    return nearest if nearest > 0 and abs(number - nearest) < 1e-12 else None


def require_static(length: int | None, resize: Resize) -> int:
    """Return the old length. Raises LoweringError where it or the new one is dynamic."""
    if length is None or not isinstance(resize.output_length(length), int):
        raise LoweringError(
            "antialiased resizing of a dynamic dimension is not converted",
            [("next", "make the dimension static, or resize with antialias=False")],
        )
    return length


def interpolate_along(x: Tensor, axis: int, resize: Resize, kernel: Kernel) -> Tensor:
    """Linear or cubic interpolation along one axis."""
    length = x.shape[axis]
    outputs = None if length is None else resize.output_length(length)
    if kernel is linear_weights and length is not None and outputs == length:
        return x  # PyTorch copies, whatever the factor
    upscale, downscale = resize.whole_factors(length)
    if upscale and (length is None or outputs == length * upscale):
        return x if upscale == 1 else interleave(x, axis, find_phases(upscale, kernel))
    if downscale and (length is None or outputs == length // downscale):
        first, weights = find_middle_taps(downscale, kernel)
        return thin(x, axis, downscale, first, weights)
    if length is None or not isinstance(outputs, int):
        return interpolate_at_places(x, axis, resize, kernel)
    return resample(x, axis, find_taps(length, resize, kernel))


def interpolate_at_places(x: Tensor, axis: int, resize: Resize, kernel: Kernel) -> Tensor:
    """Linear or cubic interpolation along one axis, at places that the model computes."""
    grid = resize.grid()
    is_linear = kernel is linear_weights
    places = grid.corners() if resize.align else grid.middles(inside=is_linear)
    return take_neighbours(x, axis, grid, places, kernel)


def find_phases(times: int, kernel: Kernel) -> torch.Tensor:
    """The weights of the neighbours for each output of one element, (times, 2 * reach + 1)."""
    place = (torch.arange(times, dtype=torch.float64) + 0.5) / times - 0.5
    left = place.floor()
    weights = tabulate(kernel, place - left)
    reach = weights.shape[1] // 2
    full = torch.zeros(times, 2 * reach + 1, dtype=torch.float64)
    # The row begins at the element -reach, the weights at the element left + 1 - reach.
    first = left.long() + 1
    columns = first[:, None] + torch.arange(weights.shape[1])
    return full.scatter(1, columns, weights)


def find_middle_taps(every: int, kernel: Kernel) -> tuple[int, torch.Tensor]:
    """The first element that counts for an output in the middle of `every`, and the weights."""
    place = (every - 1) / 2
    left = math.floor(place)
    weights = tabulate(kernel, torch.tensor([place - left], dtype=torch.float64))[0]
    nonzero = weights.nonzero().flatten().tolist()
    first, last = nonzero[0], nonzero[-1]
    return left + 1 - len(weights) // 2 + first, weights[first : last + 1]


def find_taps(length: int, resize: Resize, kernel: Kernel) -> Taps:
    """Places and weights for a static length, as PyTorch computes them in float64."""
    count = int(resize.output_length(length))
    i = torch.arange(count, dtype=torch.float64)
    if resize.align:
        place = i * ((length - 1) / (count - 1) if count > 1 else 0.0)
    else:
        place = (i + 0.5) * (resize.step(length) or 0.0) - 0.5
    left = place.floor()
    if kernel is linear_weights:
        place = place.clamp(min=0)
        left = place.floor().clamp(max=length - 1)
    weights = tabulate(kernel, (place - left).clamp(max=1))
    offsets = torch.arange(weights.shape[1]) + 1 - weights.shape[1] // 2
    return Taps((left.long()[:, None] + offsets).clamp(0, length - 1), weights)


NEAREST = (aten.upsample_nearest1d.vec, aten.upsample_nearest2d.vec, aten.upsample_nearest3d.vec)
"""PyTorch's ops by the number of dimensions that they resize."""

EXACT = (
    aten._upsample_nearest_exact1d.vec,
    aten._upsample_nearest_exact2d.vec,
    aten._upsample_nearest_exact3d.vec,
)
"""The ops that take the middle of each output."""


def take_nearest(x: Tensor, axis: int, resize: Resize, op: OpOverload, rank: int) -> Tensor:
    """The nearest element along one axis, rounded as PyTorch's op for `rank` dimensions does."""
    length = x.shape[axis]
    if length is not None and isinstance(resize.size, int | None):
        return pick(x, axis, find_nearest(length, resize, op, rank))
    upscale, downscale = resize.whole_factors(None)
    if upscale:
        return repeat_each(x, axis, upscale)
    if downscale:
        first = downscale // 2 if op in EXACT else 0
        stop = first + 1 - downscale
        return x[index_along(axis, slice(first, stop or None, downscale))]
    return take_at_outputs(x, axis, resize.grid(), 0.5 if op in EXACT else 0.0)


def find_nearest(length: int, resize: Resize, op: OpOverload, rank: int) -> torch.Tensor:
    """The place that each output takes: what PyTorch's op makes of the numbers of elements."""
    ones = [1] * (rank - 1)
    numbers = torch.arange(length, dtype=torch.float64).reshape(1, 1, -1, *ones)
    if resize.size is not None:
        return op(numbers, [resize.size, *ones], None).flatten().long()
    return op(numbers, None, [resize.factor, *map(float, ones)]).flatten().long()


def resample_antialiased(x: Tensor, axis: int, resize: Resize, op: OpOverload) -> Tensor:
    """Antialiased resizing along one axis, by the weights that PyTorch's op gives unit vectors."""
    length = require_static(x.shape[axis], resize)
    units = torch.eye(length, dtype=torch.float64).reshape(1, length, length, 1)
    # The op resizes two dimensions; the second one keeps its two elements.
    images = units.repeat(1, 1, 1, 2)
    if resize.size is not None:
        made = op(images, [resize.size, 2], resize.align, None)
    else:
        made = op(images, None, resize.align, [resize.factor, 1.0])
    return resample(x, axis, Taps.of_matrix(made[0, :, :, 0].T))


Mode = Callable[[Tensor, int, Resize], Tensor]
"""(x, axis, resize) -> x resized along that axis."""


@dataclass(frozen=True)
class Axes:
    """The stored axes that an op resizes, in PyTorch's order, and their lengths."""

    numbers: tuple[int, ...]
    before: tuple[Size, ...]
    after: tuple[Size, ...]

    @classmethod
    def of(cls, x: Tensor, numbers: Sequence[int], context: Context) -> Axes:
        """The axes of an operand of the node that is lowered."""
        old, new = sizes_of(x), context.shapes[0]
        return cls(
            tuple(numbers),
            tuple(old[axis] for axis in numbers),
            tuple(new[axis] for axis in numbers),
        )


def resize_each(
    x: Tensor, axes: Axes, sizes: Any, factors: Any, mode: Mode, *, align: bool = False
) -> Tensor:
    """`x` resized along one dimension after the other; PyTorch gives sizes, or factors, or both."""
    nothing = [None] * len(axes.numbers)
    asked = zip(sizes or nothing, factors or nothing, axes.before, axes.after, strict=True)
    for axis, (size, factor, before, after) in zip(axes.numbers, asked, strict=True):
        x = mode(x, axis, Resize(size, factor, align, before, after))
    return x


def resize_axes(rank: int) -> str:
    """The declaration of an op on the last `rank` dimensions."""
    names = " ".join(f"s{i}'" for i in range(rank))
    return f"n c {names} -> n c {names}"


def resize_nearest(
    x: Tensor, axes: Axes, sizes: Any, factors: Any, table: Sequence[OpOverload]
) -> Tensor:
    """Nearest neighbours: one `UpSampling` where the dimensions lie as it has them.

    Their factors must be whole numbers then.
    """
    rank = len(axes.numbers)
    are_spatial = axes.numbers == tuple(range(1, x.ndim - 1))
    times = [as_whole_number(factor) for factor in factors or ()]
    if rank > 1 and are_spatial and x.is_float and times and all(times):
        return getattr(layers, f"UpSampling{rank}D")(size=tuple(times))(x)
    mode = partial(take_nearest, op=table[rank - 1], rank=rank)
    return resize_each(x, axes, sizes, factors, mode)


@lowering(aten.upsample_nearest1d.vec, axes=resize_axes(1))
@lowering(aten.upsample_nearest2d.vec, axes=resize_axes(2))
@lowering(aten.upsample_nearest3d.vec, axes=resize_axes(3))
def upsample_nearest(x, output_size, scale_factors, *, s, context):
    """`UpSampling`, or the elements taken by their places."""
    return resize_nearest(x, Axes.of(x, s, context), output_size, scale_factors, NEAREST)


@lowering(aten._upsample_nearest_exact1d.vec, axes=resize_axes(1))
@lowering(aten._upsample_nearest_exact2d.vec, axes=resize_axes(2))
@lowering(aten._upsample_nearest_exact3d.vec, axes=resize_axes(3))
def upsample_nearest_exact(x, output_size, scale_factors, *, s, context):
    """`UpSampling`, or the elements taken by their places."""
    return resize_nearest(x, Axes.of(x, s, context), output_size, scale_factors, EXACT)


@lowering(aten.upsample_linear1d.vec, axes=resize_axes(1))
@lowering(aten.upsample_bilinear2d.vec, axes=resize_axes(2))
@lowering(aten.upsample_trilinear3d.vec, axes=resize_axes(3))
def upsample_linear(x, output_size, align_corners, scale_factors, *, s, context):
    """Two neighbours weighted, in each dimension."""
    mode = partial(interpolate_along, kernel=linear_weights)
    axes = Axes.of(x, s, context)
    return resize_each(x, axes, output_size, scale_factors, mode, align=align_corners)


@lowering(aten.upsample_bicubic2d.vec, axes=resize_axes(2))
def upsample_bicubic(x, output_size, align_corners, scale_factors, *, s, context):
    """Four neighbours weighted, in each dimension."""
    mode = partial(interpolate_along, kernel=cubic_weights)
    axes = Axes.of(x, s, context)
    return resize_each(x, axes, output_size, scale_factors, mode, align=align_corners)


@lowering(aten._upsample_bilinear2d_aa.vec, axes=resize_axes(2))
def upsample_bilinear_antialiased(x, output_size, align_corners, scale_factors, *, s, context):
    """A matrix product in each dimension."""
    mode = partial(resample_antialiased, op=aten._upsample_bilinear2d_aa.vec)
    axes = Axes.of(x, s, context)
    return resize_each(x, axes, output_size, scale_factors, mode, align=align_corners)


@lowering(aten._upsample_bicubic2d_aa.vec, axes=resize_axes(2))
def upsample_bicubic_antialiased(x, output_size, align_corners, scale_factors, *, s, context):
    """A matrix product in each dimension."""
    mode = partial(resample_antialiased, op=aten._upsample_bicubic2d_aa.vec)
    axes = Axes.of(x, s, context)
    return resize_each(x, axes, output_size, scale_factors, mode, align=align_corners)
