"""Normalizations: batch, layer, group, instance and RMS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, call, layers, ops
from torch2keras.ops.blocks.operands import reshape_along

aten = torch.ops.aten


CHANNELS = "n c *s, c, c, c, c -> n c *s"


GROUPS = "n (num_groups i) *s, (num_groups i), (num_groups i) -> n (num_groups i) *s"


GROUPS_LAST = "n *s (num_groups i), (num_groups i), (num_groups i) -> n *s (num_groups i)"


def affine(y: Tensor, weight: Any, bias: Any, axes: Sequence[int]) -> Tensor:
    """`y * weight + bias` along stored dimensions; either may be None."""
    y = y if weight is None else y * reshape_along(weight, axes, y.ndim)
    return y if bias is None else y + reshape_along(bias, axes, y.ndim)


def normalize(
    layer: str,
    x: Tensor,
    axes: Sequence[int],
    weight: Any,
    bias: Any,
    config: dict[str, Any],
    **state: Weight,
) -> Tensor:
    """A normalization layer with gamma and beta; where the model computes these, without them, and arithmetic."""
    learnt = all(w is None or isinstance(w, Weight) for w in (weight, bias))
    gamma, beta = (weight, bias) if learnt else (None, None)
    made = getattr(layers, layer)(**config, scale=gamma is not None, center=beta is not None)
    y: Tensor = call(made, x, gamma=gamma, beta=beta, **state)
    return y if learnt else affine(y, weight, bias, axes)


def standardize(x: Tensor, axes: Sequence[int], eps: float) -> Tensor:
    """Zero mean and unit variance over stored dimensions.

    The mean is taken out twice: the first one is rounded, which shows where it is far above the deviation.
    """
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    centred = centred - ops.mean(centred, axis=axes, keepdims=True)
    return centred * ops.rsqrt(ops.var(centred, axis=axes, keepdims=True) + eps)


@lowering(aten.batch_norm.default, axes=CHANNELS)
def batch_norm(
    x, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled, *, c
):
    """`BatchNormalization`; without running statistics those of the batch, in training or not."""
    if training or running_mean is None:
        return affine(standardize(x, [d for d in range(x.ndim) if d != c], eps), weight, bias, [c])
    if not isinstance(running_mean, Weight) or not isinstance(running_var, Weight):
        return ops.batch_normalization(
            x, running_mean, running_var, c, offset=bias, scale=weight, epsilon=eps
        )
    config = {"axis": last(c, x.ndim), "momentum": round(1 - momentum, 12), "epsilon": eps}
    return normalize(
        "BatchNormalization",
        x,
        [c],
        weight,
        bias,
        config,
        moving_mean=running_mean,
        moving_variance=running_var,
    )


def last(axis: int, ndim: int) -> int:
    """The last dimension as -1, as a Keras user writes it."""
    return -1 if axis == ndim - 1 else axis


NO_STATISTICS = "n c *s, c, c -> n c *s, c, c"


def native_axes(args: Mapping[str, Any]) -> str:
    """The statistics of the batch are results too, empty ones where they were not needed."""
    return f"{CHANNELS}, c, c" if args.get("training") else f"{CHANNELS}, mean', deviation'"


def statistics(
    x: Tensor, axes: Sequence[int], eps: float, used: Sequence[bool], *, keepdims: bool = False
) -> tuple[Tensor | None, Tensor | None]:
    """The mean over stored dimensions and one over the deviation, each where the model reads it."""
    mean, inverse = used[1:]
    return (
        ops.mean(x, axis=axes, keepdims=keepdims) if mean else None,
        ops.rsqrt(ops.var(x, axis=axes, keepdims=keepdims) + eps) if inverse else None,
    )


@lowering(aten.native_batch_norm.default, axes=native_axes)
def native_batch_norm(
    x, weight, bias, running_mean, running_var, training, momentum, eps, *, c, context
):
    """`BatchNormalization`; in training with the statistics of the batch, otherwise without any."""
    y = batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps, False, c=c)
    others = [d for d in range(x.ndim) if d != c]
    return y, *(statistics(x, others, eps, context.used) if training else (None, None))


@lowering(aten._native_batch_norm_legit_no_training.default, axes=native_axes)
def batch_norm_no_training(
    x, weight, bias, running_mean, running_var, momentum, eps, *, c, context
):
    """`BatchNormalization`."""
    return native_batch_norm(
        x, weight, bias, running_mean, running_var, False, momentum, eps, c=c, context=context
    )


@lowering(aten._native_batch_norm_legit.no_stats, axes=NO_STATISTICS)
def batch_norm_no_stats(x, weight, bias, training, momentum, eps, *, c, context):
    """By the statistics of the batch, in training or not."""
    return native_batch_norm(x, weight, bias, None, None, True, momentum, eps, c=c, context=context)


def trailing(args: Mapping[str, Any]) -> str:
    """One name for each normalized dimension, since without a weight no term would count them."""
    names = " ".join(f"n{i}" for i in range(len(args["normalized_shape"])))
    return f"... {names}, {names}, {names} -> ... {names}"


def trailing_scale(args: Mapping[str, Any]) -> str:
    """As `trailing`, without a bias."""
    names = " ".join(f"n{i}" for i in range(len(args["normalized_shape"])))
    return f"... {names}, {names} -> ... {names}"


def native_trailing(args: Mapping[str, Any]) -> str:
    """The statistics have a one for each normalized dimension."""
    result = trailing(args).partition("->")[2]
    return f"{trailing(args)}, {result}, {result}"


def axis_argument(axes: Sequence[int], ndim: int) -> int | list[int]:
    """One dimension as a number, several as a list."""
    return last(axes[0], ndim) if len(axes) == 1 else sorted(axes)


@lowering(aten.layer_norm.default, axes=trailing)
def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True, *, n):
    """`LayerNormalization` over the normalized dimensions, wherever they are stored."""
    return normalize(
        "LayerNormalization", x, n, weight, bias, {"axis": axis_argument(n, x.ndim), "epsilon": eps}
    )


@lowering(aten.native_layer_norm.default, axes=native_trailing)
def native_layer_norm(x, normalized_shape, weight, bias, eps, *, n, context):
    """`LayerNormalization`, and the statistics that it takes."""
    y = layer_norm(x, normalized_shape, weight, bias, eps, n=n)
    return y, *statistics(x, n, eps, context.used, keepdims=True)


@lowering(aten.rms_norm.default, axes=trailing_scale)
def rms_norm(x, normalized_shape, weight=None, eps=None, *, n):
    """`RMSNormalization`, whose scale broadcasts along last dimensions only; elsewhere the op and a product."""
    epsilon = torch.finfo(getattr(torch, x.dtype)).eps if eps is None else eps
    axis = axis_argument(n, x.ndim)
    if isinstance(weight, Weight) and min(n) == x.ndim - len(n):
        return call(layers.RMSNormalization(axis=axis, epsilon=epsilon), x, scale=weight)
    return affine(ops.rms_normalization(x, axis=axis, epsilon=epsilon), weight, None, n)


@lowering(aten.group_norm.default, torch=GROUPS, keras=GROUPS_LAST)
def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
    """`GroupNormalization`."""
    return normalize(
        "GroupNormalization", x, [x.ndim - 1], weight, bias, {"groups": num_groups, "epsilon": eps}
    )


@lowering(aten.instance_norm.default, torch=CHANNELS, keras="n *s c, c, c, c, c -> n *s c")
def instance_norm(
    x, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled
):
    """`GroupNormalization` with a group for each channel; running statistics stay fixed in training."""
    c = x.ndim - 1
    if use_input_stats or running_mean is None:
        return normalize(
            "GroupNormalization", x, [c], weight, bias, {"groups": x.shape[c], "epsilon": eps}
        )
    return ops.batch_normalization(
        x, running_mean, running_var, c, offset=bias, scale=weight, epsilon=eps
    )
