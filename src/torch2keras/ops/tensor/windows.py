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
from torch2keras.ops.blocks.slices import index_along, window_slices

aten = torch.ops.aten

MOST_SLICES = 16
"""Windows up to this size are stacked slices, which any layout allows; larger ones are looked up."""


def unfold_torch(args: Mapping[str, Any]) -> str:
    """`at` becomes the windows, whose elements `w` come last."""
    rank = args["self"].type.rank
    names = [f"d{d}" for d in range(rank)]
    if rank:
        names[args["dimension"]] = "at'"
    return f"{' '.join(names)} -> {' '.join(names)} w'"


def unfold_keras(args: Mapping[str, Any]) -> str | None:
    """Long windows want `at` last."""
    if args["size"] <= MOST_SLICES:
        return None
    rank = args["self"].type.rank
    rest = " ".join(f"d{d}" for d in range(rank) if d != args["dimension"] % rank)
    return f"{rest} at' -> {rest} at' w'"


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
    rows = zip(as_tuple(kernel_size, 2), as_tuple(stride, 2), as_tuple(dilation, 2), strict=True)
    places = itertools.product(*[window_slices(*row) for row in rows])
    taps = [x[(slice(None), *place)] for place in places]
    depth = x.shape[-1] * len(taps)
    return layers.Reshape(target_shape=(-1, depth))(ops.stack(taps, axis=-1))
