"""Resizing as LiteRT's own operators, where these take the same neighbours by the same weights.

`ops/nn/resize.py` writes it as sums of slices, for every length and in any precision. PyTorch's
formulas are those of TensorFlow with half pixel centers or aligned corners, as long as the step is
the quotient of the lengths; a factor that is given stands for itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import torch

from torch2keras.declarations.context import Context
from torch2keras.declarations.registry import OpOverload
from torch2keras.deployment_forms.rank4 import Rank4, as_image, repeat_pixels
from torch2keras.deployment_forms.rules import rule
from torch2keras.deployment_forms.table import form, record_form
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import static_size
from torch2keras.keras_graph.graph import Call
from torch2keras.lower.dynamic_sizes import sizes_of
from torch2keras.lower.recorder import Recorded, Tensor
from torch2keras.ops.nn.resize import (
    EXACT,
    NEAREST,
    Resize,
    as_whole_number,
    find_nearest,
    upsample_bicubic,
    upsample_linear,
    upsample_nearest,
    upsample_nearest_exact,
)

aten = torch.ops.aten

MOST_COPIES = 16
"""The largest number of pixels that one becomes by copies."""

MOST_CUBIC = 48
"""The longest dimension that is resized by a matrix, whose rows are as long; sums have 4 parts."""


@form(aten.upsample_linear1d.vec, aten.upsample_bilinear2d.vec)
def resize_linear(
    x: Tensor,
    output_size: Any,
    align_corners: bool,
    scale_factors: Any,
    *,
    s: Sequence[int],
    context: Context,
) -> Recorded:
    """RESIZE_BILINEAR of (n, h, w, c)."""
    if is_image(x, s) and has_plain_steps(x, s, scale_factors, context):
        sizes = list_sizes(s, context)
        return record_form("resize_linear", context, x, sizes, scale_factors, align_corners)
    return upsample_linear(x, output_size, align_corners, scale_factors, s=s, context=context)


@form(aten.upsample_nearest1d.vec, aten.upsample_nearest2d.vec)
def resize_nearest_lite(
    x: Tensor,
    output_size: Any,
    scale_factors: Any,
    *,
    s: Sequence[int],
    context: Context,
) -> Recorded:
    """RESIZE_NEAREST_NEIGHBOR of (n, h, w, c)."""
    if is_image(x, s) and takes_same_places(x, s, output_size, scale_factors, NEAREST):
        sizes = list_sizes(s, context)
        return record_form("resize_nearest", context, x, sizes, scale_factors, False)
    return upsample_nearest(x, output_size, scale_factors, s=s, context=context)


@form(aten._upsample_nearest_exact1d.vec, aten._upsample_nearest_exact2d.vec)
def resize_nearest_exact_lite(
    x: Tensor,
    output_size: Any,
    scale_factors: Any,
    *,
    s: Sequence[int],
    context: Context,
) -> Recorded:
    """RESIZE_NEAREST_NEIGHBOR of (n, h, w, c) with half pixel centers."""
    if is_image(x, s) and takes_same_places(x, s, output_size, scale_factors, EXACT):
        sizes = list_sizes(s, context)
        return record_form("resize_nearest", context, x, sizes, scale_factors, True)
    return upsample_nearest_exact(x, output_size, scale_factors, s=s, context=context)


@form(aten.upsample_bicubic2d.vec)
def resize_cubic(
    x: Tensor,
    output_size: Any,
    align_corners: bool,
    scale_factors: Any,
    *,
    s: Sequence[int],
    context: Context,
) -> Recorded:
    """A product with a matrix in each dimension of (n, h, w, c), up to MOST_CUBIC."""
    lengths = sizes_of(x)[1:3]
    is_short = all(isinstance(length, int) and length <= MOST_CUBIC for length in lengths)
    if is_image(x, s) and is_short:
        matrices = []
        for number, axis in enumerate(s):
            size = output_size[number] if output_size else None
            factor = scale_factors[number] if scale_factors else None
            resize = Resize(size, factor, align_corners)
            matrices.append(find_cubic_matrix(lengths[axis - 1], resize))
        return record_form("resize_cubic", context, x, matrices)
    return upsample_bicubic(x, output_size, align_corners, scale_factors, s=s, context=context)


def find_cubic_matrix(length: int, resize: Resize) -> np.ndarray:
    """Return the matrix (after, before) by which PyTorch's op resizes one dimension."""
    units = torch.eye(length, dtype=torch.float64).reshape(1, length, length, 1)
    size = None if resize.size is None else [resize.size, 1]
    factors = None if resize.size is not None else [resize.factor, 1.0]
    made = aten.upsample_bicubic2d.vec(units, size, resize.align, factors)
    matrix: np.ndarray = made[0, :, :, 0].T.float().numpy()
    return matrix


def is_image(x: Tensor, axes: Sequence[int]) -> bool:
    """Whether a value is stored as (n, *s, c), in a type that LiteRT resizes."""
    return x.dtype == "float32" and list(axes) == list(range(1, x.ndim - 1))


def list_sizes(axes: Sequence[int], context: Context) -> tuple[int | None, ...]:
    """Return the new sizes of the resized dimensions, None where one is dynamic."""
    shape = context.shapes[0]
    return tuple(static_size(shape[axis]) for axis in axes)


def has_plain_steps(x: Tensor, axes: Sequence[int], factors: Any, context: Context) -> bool:
    """Whether each step is the quotient of the lengths, whatever those are."""
    if not factors:
        return True
    before = sizes_of(x)
    for axis, factor in zip(axes, factors, strict=True):
        old, new = before[axis], static_size(context.shapes[0][axis])
        if isinstance(old, int) and new is not None:
            if not math.isclose(new, old * factor, rel_tol=1e-12):
                return False
        elif as_whole_number(factor) is None:
            return False
    return True


def takes_same_places(
    x: Tensor, axes: Sequence[int], sizes: Any, factors: Any, table: Sequence[OpOverload]
) -> bool:
    """Whether LiteRT takes the places that PyTorch's op takes, in each dimension."""
    rank = len(axes)
    nothing = [None] * rank
    before = sizes_of(x)
    for axis, size, factor in zip(axes, sizes or nothing, factors or nothing, strict=True):
        resize = Resize(size, factor)
        if not has_same_places(before[axis], resize, table[rank - 1], rank):
            return False
    return True


def has_same_places(before: Size, resize: Resize, op: OpOverload, rank: int) -> bool:
    """Whether LiteRT takes PyTorch's places in a dimension of this length.

    Of a dynamic length they are known for a factor that is a whole number.
    """
    if isinstance(before, int) and isinstance(resize.size, int | None):
        theirs = find_nearest(before, resize, op, rank).numpy()
        return np.array_equal(theirs, find_lite_places(before, len(theirs), half=op in EXACT))
    return resize.factor is not None and as_whole_number(resize.factor) is not None


def find_lite_places(before: int, after: int, *, half: bool) -> np.ndarray:
    """Return the places that RESIZE_NEAREST_NEIGHBOR takes, which it computes in float32."""
    step = np.float32(before) / np.float32(after)
    middles = np.arange(after, dtype=np.float32) + np.float32(0.5 * half)
    places: np.ndarray = np.minimum(np.floor(middles * step), before - 1).astype(np.int64)
    return places


@rule("forms.resize_linear")
def run_linear(_call: Call, x: Any, sizes: Any, factors: Any, align: bool) -> Any:
    """TensorFlow's op for images; a sequence is one of one row."""
    image, size = find_image_size(x, sizes, factors)
    y = tf.raw_ops.ResizeBilinear(
        images=image, size=size, align_corners=align, half_pixel_centers=not align
    )
    return Rank4(y) if len(sizes) == 1 else y


@rule("forms.resize_nearest")
def run_nearest(_call: Call, x: Any, sizes: Any, factors: Any, half: bool) -> Any:
    """Pixels repeated a few times, or TensorFlow's op; a sequence is an image of one row."""
    image, size = find_image_size(x, sizes, factors)
    times = find_times(image.shape[1:3], size, half=half)
    if times is not None:
        y = repeat_pixels(image, *times)
    else:
        y = tf.raw_ops.ResizeNearestNeighbor(
            images=image, size=size, align_corners=False, half_pixel_centers=half
        )
    return Rank4(y) if len(sizes) == 1 else y


def find_times(
    before: Sequence[int], after: Sequence[int], *, half: bool
) -> tuple[int, int] | None:
    """Return how often each pixel is repeated down and right, if `repeat_pixels` does just that.

    It takes less time than RESIZE_NEAREST_NEIGHBOR, and keeps XNNPACK's part whole.
    """
    times = []
    for old, new in zip(before, after, strict=True):
        number = max(1, new // old)
        repeated = np.arange(new) // number
        if not np.array_equal(find_lite_places(old, new, half=half), repeated):
            return None
        times.append(number)
    down, right = times
    if down not in (1, right) or not 1 < down * right <= MOST_COPIES:
        return None
    return down, right


@rule("forms.resize_cubic")
def run_cubic(_call: Call, x: tf.Tensor, matrices: Sequence[np.ndarray]) -> tf.Tensor:
    """BATCH_MATMUL along the height, then along the width."""
    rows, columns = matrices
    batch, height, width, channels = x.shape
    y = tf.matmul(rows[None], tf.reshape(x, [batch, height, width * channels]))
    y = tf.reshape(y, [batch, len(rows), width, channels])
    return tf.matmul(columns[None, None], y)


def find_image_size(x: Any, sizes: Any, factors: Any) -> tuple[tf.Tensor, list[int]]:
    """Return the image of a value, and the size that it is resized to."""
    if len(sizes) == 1:
        image = as_image(x)
        sizes, factors = (1, *sizes), (1, *(factors or (1,)))
    else:
        image = x
    size = []
    for place, new in enumerate(sizes):
        if new is not None:
            size.append(new)
        else:
            size.append(math.floor(image.shape[1 + place] * factors[place]))
    return image, size
