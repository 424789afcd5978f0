"""Slices by whole numbers, in operators that LiteRT has for the type, and XNNPACK too."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from torch2keras.deployment_forms.rank4 import Rank4, lower_rank, slice_image
from torch2keras.deployment_forms.rules import rule
from torch2keras.keras_graph.graph import GETITEM, Call


@rule("ops.unstack")
def take_apart(_call: Call, x: Any, num: int | None = None, axis: int = 0) -> Any:
    """SPLIT of what had these parts side by side; of int64, as UNPACK takes none, slices."""
    x = lower_rank(x)
    axis %= x.shape.rank
    count = num or x.shape[axis]
    whole = find_joined(x, axis)
    if whole is not None:
        return tf.split(whole, count, axis)
    if x.dtype != tf.int64:
        return NotImplemented
    before = [slice(None)] * axis
    return [x[(*before, place)] for place in range(count)]


def find_joined(x: tf.Tensor, axis: int) -> tf.Tensor | None:
    """Return the tensor that was reshaped to `x` by splitting a dimension at `axis`, else None."""
    if x.op.type != "Reshape" or axis + 1 == x.shape.rank:
        return None
    before = x.op.inputs[0]
    joined = x.shape[axis] * x.shape[axis + 1]
    if tuple(before.shape) != (*x.shape[:axis], joined, *x.shape[axis + 2 :]):
        return None
    return before


@rule(GETITEM)
def take_one(call: Call, x: Any, index: Any) -> Any:
    """SLICE and RESHAPE for an index that drops dimensions, where one operator is not delegated."""
    if isinstance(x, Rank4):
        return slice_image(call, x, index)
    parts = index if isinstance(index, tuple) else (index,)
    if not isinstance(x, tf.Tensor) or x.dtype != tf.float32:
        return NotImplemented
    if not any(isinstance(part, int) for part in parts) or not all(map(is_plain, parts)):
        return NotImplemented
    kept, shape = [], []
    for size, part in zip(x.shape, parts, strict=False):
        if isinstance(part, int):
            place = part % size
            kept.append(slice(place, place + 1))
        else:
            kept.append(part)
            shape.append(len(range(size)[part]))
    return tf.reshape(x[tuple(kept)], [*shape, *x.shape[len(parts) :]])


def is_plain(part: Any) -> bool:
    """Whether a part of an index is a number, or a slice without steps."""
    if isinstance(part, slice):
        return part.step in (None, 1)
    return isinstance(part, int)
