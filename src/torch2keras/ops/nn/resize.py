"""Resizing: `F.interpolate` in its modes, dimension by dimension.

Keras resizes images alone and in float32 on TensorFlow, so each mode is what it is by definition: a weighted sum of
neighbours. A factor that is a whole number, or one over it, needs no constant and holds for every length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from torch2keras.declarations.registry import OpOverload, lowering
from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import Tensor, layers
from torch2keras.ops.blocks.resampling import Taps, interleave, pick, repeat_each, resample, thin
from torch2keras.ops.blocks.slices import index_along

aten = torch.ops.aten


Kernel = Callable[[torch.Tensor], torch.Tensor]
"""Distance from the element on the left, (n,) in [0, 1) -> weights of its neighbours, (n, taps)."""


def linear(t: torch.Tensor) -> torch.Tensor:
    """Of the elements 0 and 1."""
    return torch.stack([1 - t, t], 1)


def cubic(t: torch.Tensor) -> torch.Tensor:
    """Of the elements -1, 0, 1, 2: Keys' convolution with a = -0.75."""
    a = -0.75
    near: Kernel = lambda d: ((a + 2) * d - (a + 3)) * d * d + 1
    far: Kernel = lambda d: ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.stack([far(t + 1), near(t), near(1 - t), far(2 - t)], 1)


@dataclass(frozen=True)
class Resize:
    """How one dimension is resized: to `size`, or by `factor`, or both where the factor decides the places."""

    size: Any = None
    factor: float | None = None
    align: bool = False

    def outputs(self, length: int) -> int:
        """The new length."""
        return (
            int(self.size)
            if self.size is not None
            else math.floor(length * float(self.factor or 1))
        )

    def step(self, length: int | None) -> float | None:
        """Input elements for one output; None where that depends on a dynamic length."""
        if self.factor is not None:
            return 1.0 / self.factor
        return None if length is None or not isinstance(self.size, int) else length / self.size


def whole(number: float | None) -> int | None:
    """A number as an int where it is one."""
    return (
        round(number)
        if number is not None
        and number > 0
        and abs(number - round(number)) < 1e-12
        and round(number)
        else None
    )


def refuse(resize: Resize) -> LoweringError:
    """The error for a dynamic length that this resize has no fixed form for."""
    what = (
        "with align_corners"
        if resize.align
        else f"by {resize.factor}"
        if resize.factor
        else f"to the size {resize.size}"
    )
    return LoweringError(
        f"resizing a dynamic dimension {what} has no form in stock Keras that holds for every length",
        [("next", "make the dimension static, or resize by a whole factor without align_corners")],
    )


def smooth(x: Tensor, axis: int, resize: Resize, kernel: Kernel) -> Tensor:
    """Linear or cubic interpolation along one axis."""
    length = x.shape[axis]
    step = None if resize.align else resize.step(length)
    times, every = whole(1 / step if step else None), whole(step)
    if kernel is linear and length is not None and resize.outputs(length) == length:
        return x  # PyTorch copies, whatever the factor
    if times and (length is None or resize.outputs(length) == length * times):
        return x if times == 1 else interleave(x, axis, phases(times, kernel))
    if every and (length is None or resize.outputs(length) == length // every):
        first, weights = middle(every, kernel)
        return thin(x, axis, every, first, weights)
    if length is None or not isinstance(resize.outputs(length), int):
        raise refuse(resize)
    return resample(x, axis, taps(length, resize, kernel))


def phases(times: int, kernel: Kernel) -> torch.Tensor:
    """(times, 2 * reach + 1): of each of the outputs of one element the weights of its neighbours."""
    place = (torch.arange(times, dtype=torch.float64) + 0.5) / times - 0.5
    left = place.floor()
    weights = kernel(place - left)
    reach = weights.shape[1] // 2
    full = torch.zeros(times, 2 * reach + 1, dtype=torch.float64)
    first = (
        left.long() + 1
    )  # where the element -reach + 1 + left stands in a row that starts at -reach
    columns = first[:, None] + torch.arange(weights.shape[1])
    return full.scatter(1, columns, weights)


def middle(every: int, kernel: Kernel) -> tuple[int, torch.Tensor]:
    """Of an output in the middle of `every` elements: the first element that counts, and the weights from there on."""
    place = (every - 1) / 2
    left = math.floor(place)
    weights = kernel(torch.tensor([place - left], dtype=torch.float64))[0]
    used = weights.nonzero().flatten().tolist()
    return left + 1 - len(weights) // 2 + used[0], weights[used[0] : used[-1] + 1]


def taps(length: int, resize: Resize, kernel: Kernel) -> Taps:
    """Places and weights for a static length, as PyTorch computes them in float64."""
    count = resize.outputs(length)
    i = torch.arange(count, dtype=torch.float64)
    if resize.align:
        place = i * ((length - 1) / (count - 1) if count > 1 else 0.0)
    else:
        place = (i + 0.5) * (resize.step(length) or 0.0) - 0.5
        place = place.clamp(min=0) if kernel is linear else place
    left = place.floor()
    if kernel is linear:
        left = left.clamp(max=length - 1)
    weights = kernel((place - left).clamp(max=1))
    offsets = torch.arange(weights.shape[1]) + 1 - weights.shape[1] // 2
    return Taps((left.long()[:, None] + offsets).clamp(0, length - 1), weights)


NEAREST = (aten.upsample_nearest1d.vec, aten.upsample_nearest2d.vec, aten.upsample_nearest3d.vec)


EXACT = (
    aten._upsample_nearest_exact1d.vec,
    aten._upsample_nearest_exact2d.vec,
    aten._upsample_nearest_exact3d.vec,
)


def nearest(x: Tensor, axis: int, resize: Resize, op: OpOverload, rank: int) -> Tensor:
    """The nearest element, rounded as PyTorch's op for this rank does; an exact one takes the middle of each output."""
    length = x.shape[axis]
    if length is not None and isinstance(resize.size, int | None):
        places = torch.arange(length, dtype=torch.float64).reshape(1, 1, -1, *(1,) * (rank - 1))
        ones = [1] * (rank - 1)
        size, factor = (
            ([resize.size, *ones], None)
            if resize.size is not None
            else (None, [resize.factor, *map(float, ones)])
        )
        return pick(x, axis, op(places, size, factor).flatten().long())
    step = resize.step(None)
    times, every = whole(1 / step if step else None), whole(step)
    if times:
        return repeat_each(x, axis, times)
    if every:
        first = every // 2 if op in EXACT else 0
        return x[index_along(axis, slice(first, first + 1 - every or None, every))]
    raise refuse(resize)


Mode = Callable[[Tensor, int, Resize], Tensor]


def resize(
    x: Tensor, axes: Sequence[int], sizes: Any, factors: Any, mode: Mode, *, align: bool = False
) -> Tensor:
    """Each of the dimensions in turn."""
    for number, axis in enumerate(axes):
        size = sizes[number] if sizes else None
        x = mode(x, axis, Resize(size, factors[number] if factors else None, align))
    return x


def dims(rank: int) -> str:
    """The declaration of an op on the last `rank` dimensions."""
    names = " ".join(f"s{i}'" for i in range(rank))
    return f"n c {names} -> n c {names}"


def pixels(
    x: Tensor, axes: Sequence[int], sizes: Any, factors: Any, table: Sequence[OpOverload]
) -> Tensor:
    """Nearest neighbours: one `UpSampling` where all dimensions lie as it has them and have whole factors."""
    rank, times = len(axes), [whole(f) for f in factors or (None,)]
    if (
        rank > 1
        and tuple(axes) == tuple(range(1, x.ndim - 1))
        and all(times)
        and "float" in x.dtype
    ):
        return getattr(layers, f"UpSampling{rank}D")(size=tuple(times))(x)
    return resize(x, axes, sizes, factors, partial(nearest, op=table[rank - 1], rank=rank))


@lowering(aten.upsample_nearest1d.vec, axes=dims(1))
@lowering(aten.upsample_nearest2d.vec, axes=dims(2))
@lowering(aten.upsample_nearest3d.vec, axes=dims(3))
def upsample_nearest(x, output_size, scale_factors, *, s):
    """`UpSampling`, or the elements taken by their places."""
    return pixels(x, s, output_size, scale_factors, NEAREST)


@lowering(aten._upsample_nearest_exact1d.vec, axes=dims(1))
@lowering(aten._upsample_nearest_exact2d.vec, axes=dims(2))
@lowering(aten._upsample_nearest_exact3d.vec, axes=dims(3))
def upsample_nearest_exact(x, output_size, scale_factors, *, s):
    """`UpSampling`, or the elements taken by their places."""
    return pixels(x, s, output_size, scale_factors, EXACT)


@lowering(aten.upsample_linear1d.vec, axes=dims(1))
@lowering(aten.upsample_bilinear2d.vec, axes=dims(2))
@lowering(aten.upsample_trilinear3d.vec, axes=dims(3))
def upsample_linear(x, output_size, align_corners, scale_factors, *, s):
    """Two neighbours weighted, in each dimension."""
    return resize(
        x, s, output_size, scale_factors, partial(smooth, kernel=linear), align=align_corners
    )


@lowering(aten.upsample_bicubic2d.vec, axes=dims(2))
def upsample_bicubic(x, output_size, align_corners, scale_factors, *, s):
    """Four neighbours weighted, in each dimension."""
    return resize(
        x, s, output_size, scale_factors, partial(smooth, kernel=cubic), align=align_corners
    )


def smoothed(op: OpOverload) -> Mode:
    """Antialiased resizing along one axis: the weights are what PyTorch makes of unit vectors."""

    def mode(x: Tensor, axis: int, resize: Resize) -> Tensor:
        length = x.shape[axis]
        if length is None or not isinstance(resize.outputs(length), int):
            raise refuse(resize)
        units = (
            torch.eye(length, dtype=torch.float64).reshape(1, length, length, 1).repeat(1, 1, 1, 2)
        )
        size, factors = (
            ([resize.size, 2], None) if resize.size is not None else (None, [resize.factor, 1.0])
        )
        return resample(
            x, axis, Taps.of_matrix(op(units, size, resize.align, factors)[0, :, :, 0].T)
        )

    return mode


ANTIALIASED: Mapping[str, OpOverload] = {
    "linear": aten._upsample_bilinear2d_aa.vec,
    "cubic": aten._upsample_bicubic2d_aa.vec,
}


@lowering(aten._upsample_bilinear2d_aa.vec, axes=dims(2))
def upsample_bilinear_antialiased(x, output_size, align_corners, scale_factors, *, s):
    """A matrix product in each dimension."""
    return resize(
        x, s, output_size, scale_factors, smoothed(ANTIALIASED["linear"]), align=align_corners
    )


@lowering(aten._upsample_bicubic2d_aa.vec, axes=dims(2))
def upsample_bicubic_antialiased(x, output_size, align_corners, scale_factors, *, s):
    """A matrix product in each dimension."""
    return resize(
        x, s, output_size, scale_factors, smoothed(ANTIALIASED["cubic"]), align=align_corners
    )
