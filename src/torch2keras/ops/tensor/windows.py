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
from torch2keras.ops.blocks.slices import index_along

aten = torch.ops.aten


SLICES = 16
"""Windows up to this size are stacked slices, which any layout allows; larger ones are looked up."""


def unfold_torch(args: Mapping[str, Any]) -> str:
    """`at` becomes the windows, whose elements `w` come last."""
    rank = args["self"].type.rank
    at = args["dimension"] % max(rank, 1)
    names = " ".join("at'" if d == at else f"d{d}" for d in range(rank))
    return f"{names} -> {names} w'"


def unfold_keras(args: Mapping[str, Any]) -> str | None:
    """Long windows want `at` last."""
    if args["size"] <= SLICES:
        return None
    rank = args["self"].type.rank
    rest = " ".join(f"d{d}" for d in range(rank) if d != args["dimension"] % rank)
    return f"{rest} at' -> {rest} at' w'"


@lowering(aten.unfold.default, torch=unfold_torch, keras=unfold_keras)
def unfold(x, dimension, size, step, *, at, w, context):
    """Slices, stacked; of long windows `keras.ops.take` of their positions."""
    if size > SLICES:
        starts = ops.expand_dims(count_positions(context.shapes[0][-2]) * step, 1)
        return ops.take(x, starts + count_positions(size), axis=-1)
    last = size - 1
    slices = [
        x[index_along(at, slice(k or None, k - last or None, step if step > 1 else None))]
        for k in range(size)
    ]
    return ops.stack(slices, axis=w)


@lowering(aten.im2col.default, torch="n? c' h' w' -> n? k' l'", keras="n h' w' c' -> n l' k'")
def im2col(x, kernel_size, dilation, padding, stride):
    """Strided slices, one for each position of the kernel, stacked."""
    kernel, dilation, padding, stride = (
        as_tuple(v, 2) for v in (kernel_size, dilation, padding, stride)
    )
    x = pad_spatial(x, [(p, p) for p in padding])

    def taps(axis: int) -> list[slice]:
        d, last = dilation[axis], kernel[axis] - 1
        return [slice(i * d or None, (i - last) * d or None, stride[axis]) for i in range(last + 1)]

    slices = [x[:, rows, columns] for rows, columns in itertools.product(taps(0), taps(1))]
    depth = x.shape[-1] * len(slices)
    return layers.Reshape(target_shape=(-1, depth))(ops.stack(slices, axis=-1))
