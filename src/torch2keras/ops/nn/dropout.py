"""Dropout: nothing in inference, and active when the Keras model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.custom_ops import training_noise
from torch2keras.declarations.registry import lowering
from torch2keras.lower.recorder import Tensor, layers, ops
from torch2keras.ops.blocks.refusals import require_inactive

aten = torch.ops.aten

CHANNELS = "n c *s -> n c *s"

SPATIAL = {3: "SpatialDropout1D", 4: "SpatialDropout2D", 5: "SpatialDropout3D"}
"""By the rank of the input, the layer that makes one decision a channel of (n, *s, c)."""


@lowering(aten.dropout.default, axes="... -> ...")
def dropout(x, p, train):
    """`Dropout`, active in training."""
    require_inactive(train)
    if not p:
        return x
    return layers.Dropout(rate=p)(x)


@lowering(aten.native_dropout.default, axes="... -> ..., ...")
def native_dropout(x, p, train):
    """`Dropout`, and a mask that keeps everything."""
    return dropout(x, p, train), ops.ones_like(x, dtype="bool")


@lowering(aten.feature_dropout.default, axes=CHANNELS)
def feature_dropout(x, p, train, *, n, c):
    """`SpatialDropout`, which wants channels last; else `Dropout` with one decision a channel."""
    require_inactive(train)
    if not p:
        return x
    if (n, c) == (0, x.ndim - 1) and x.ndim in SPATIAL:
        return getattr(layers, SPATIAL[x.ndim])(rate=p)(x)
    return layers.Dropout(rate=p, noise_shape=channel_shape(x, n, c))(x)


def channel_shape(x: Tensor, n: int, c: int) -> tuple[int | None, ...]:
    """The shape of one decision for each channel of each example."""
    return tuple(size if d in (n, c) else 1 for d, size in enumerate(x.shape))


@lowering(aten.alpha_dropout.default, axes="... -> ...")
def alpha_dropout(x, p, train):
    """`AlphaDropout`, active in training."""
    require_inactive(train)
    if not p:
        return x
    return layers.AlphaDropout(rate=p)(x)


@lowering(aten.feature_alpha_dropout.default, axes=CHANNELS)
def feature_alpha_dropout(x, p, train, *, n, c):
    """`AlphaDropout` with one decision a channel."""
    require_inactive(train)
    if not p:
        return x
    return layers.AlphaDropout(rate=p, noise_shape=channel_shape(x, n, c))(x)


def name_decided(args: Mapping[str, Any]) -> str:
    """The dimensions along which each index is decided by itself are d0, d1 and so on."""
    term = [f"s{dim}" for dim in range(args["input"].type.rank)]
    for number, dim in enumerate(args["dims"]):
        term[dim] = f"d{number}"
    return f"{' '.join(term)} -> {' '.join(term)}"


@lowering(training_noise.shared_dropout, axes=name_decided)
def shared_dropout(x, p, dims, *, d0=None, d1=None, d2=None, d3=None, d4=None, d5=None):
    """`Dropout` with a noise shape: stochastic depth drops whole rows."""
    decided = (d0, d1, d2, d3, d4, d5)
    shape = tuple(size if d in decided else 1 for d, size in enumerate(x.shape))
    return layers.Dropout(rate=p, noise_shape=shape)(x)


@lowering(training_noise.gaussian_noise, axes="... -> ...")
def gaussian_noise(x, stddev):
    """`GaussianNoise`, active in training."""
    return layers.GaussianNoise(stddev=stddev)(x)
