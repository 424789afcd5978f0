"""Sliding windows: Tensor.unfold and im2col (F.unfold)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.dynamic_sizes import count_positions
from torch2keras.lower.recorder import layers, ops
from torch2keras.ops.blocks.padding import as_tuple, pad_spatial
from torch2keras.ops.blocks.positions import as_pattern, number_names
from torch2keras.ops.blocks.slices import index_along, window_slices

aten = torch.ops.aten

MOST_SLICES = 16
"""Windows up to this size are stacked slices, in any layout; larger ones are looked up."""


def unfold_torch(args: Mapping[str, Any]) -> str:
    """`at` becomes the windows, whose elements `w` come last."""
    names = number_names("d", args["self"].type.rank)
    if names:
        names[args["dimension"]] = "at'"
    return as_pattern([names], [*names, "w'"])


def unfold_keras(args: Mapping[str, Any]) -> str | None:
    """Long windows want `at` last."""
    if args["size"] <= MOST_SLICES:
        return None
    names = number_names("d", args["self"].type.rank)
    del names[args["dimension"]]
    return as_pattern([[*names, "at'"]], [*names, "at'", "w'"])


@lowering(aten.unfold.default, torch=unfold_torch, keras=unfold_keras)
def unfold(x, dimension, size, step, *, at, w, context):
    """Slices, stacked; of long windows `keras.ops.take` of their positions."""
    if size > MOST_SLICES:
        starts = ops.expand_dims(count_positions(context.shapes[0][-2]) * step, 1)
        return ops.take(x, starts + count_positions(size), axis=-1)
    taps = [x[index_along(at, part)] for part in window_slices(size, step)]
    return ops.stack(taps, axis=w)


@lowering(aten.im2col.default, torch="n? c' h' w' -> n? k' l'", keras="n h' w' c' -> n l' k'")
def im2col(x, kernel_size, dilation, padding, stride):
    """Strided slices, one for each position of the kernel, stacked."""
    x = pad_spatial(x, [(p, p) for p in as_tuple(padding, 2)])
    kernel, stride, dilation = (as_tuple(v, 2) for v in (kernel_size, stride, dilation))
    places = itertools.product(*map(window_slices, kernel, stride, dilation))
    taps = [x[(slice(None), *place)] for place in places]
    depth = x.shape[-1] * len(taps)
    return layers.Reshape(target_shape=(-1, depth))(ops.stack(taps, axis=-1))
