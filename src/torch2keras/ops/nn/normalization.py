"""Normalizations: batch, layer, group, instance and RMS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torch2keras.custom_ops.fixed_batch_norm import fixed_batch_norm as fixed_batch_norm_op
from torch2keras.declarations.registry import lowering
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor, call, layers, ops
from torch2keras.ops.blocks.operands import as_keras_axes, as_keras_axis, reshape_along

aten = torch.ops.aten

CHANNELS = "n c *s, c, c, c, c -> n c *s"

CHANNELS_LAST = "n *s c, c, c, c, c -> n *s c"

GROUPS = "n (num_groups i) *s, (num_groups i), (num_groups i) -> n (num_groups i) *s"

GROUPS_LAST = "n *s (num_groups i), (num_groups i), (num_groups i) -> n *s (num_groups i)"


def scale_and_shift(
    y: Tensor, weight: Operand | None, bias: Operand | None, axes: Sequence[int]
) -> Tensor:
    """`y * weight + bias` along stored dimensions; either may be None."""
    if weight is not None:
        y = y * reshape_along(weight, axes, y.ndim)
    if bias is not None:
        y = y + reshape_along(bias, axes, y.ndim)
    return y


def normalize(
    layer: str,
    x: Tensor,
    axes: Sequence[int],
    weight: Operand | None,
    bias: Operand | None,
    config: dict[str, Any],
    **state: Operand,
) -> Tensor:
    """A normalization layer with gamma and beta; arithmetic where the model computes these."""
    is_computed = any(w is not None and not w.is_constant for w in (weight, bias))
    if is_computed:
        plain = normalize(layer, x, axes, None, None, config, **state)
        return scale_and_shift(plain, weight, bias, axes)
    made = getattr(layers, layer)(**config, scale=weight is not None, center=bias is not None)
    return call(made, x, gamma=weight, beta=bias, **state)


def standardize(x: Tensor, axes: Sequence[int], eps: float) -> Tensor:
    """Zero mean and unit variance over stored dimensions.

    The mean is taken out twice: the first one is rounded, which shows where it is far above the
    deviation.
    """
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    centred = centred - ops.mean(centred, axis=axes, keepdims=True)
    return centred * ops.rsqrt(ops.var(centred, axis=axes, keepdims=True) + eps)


def other_axes(x: Tensor, axis: int) -> list[int]:
    """The axes of a tensor but this one."""
    return [d for d in range(x.ndim) if d != axis]


@lowering(aten.batch_norm.default, axes=CHANNELS)
def batch_norm(
    x, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled, *, c
):
    """`BatchNormalization`; without running statistics those of the batch, in training or not."""
    if training or running_mean is None:
        return scale_and_shift(standardize(x, other_axes(x, c), eps), weight, bias, [c])
    if not running_mean.is_constant or not running_var.is_constant:
        return ops.batch_normalization(
            x, running_mean, running_var, c, offset=bias, scale=weight, epsilon=eps
        )
    state = {"moving_mean": running_mean, "moving_variance": running_var}
    config = {
        "axis": as_keras_axis(c, x.ndim), "momentum": round(1 - momentum, 12), "epsilon": eps,
    }  # fmt: skip
    return normalize("BatchNormalization", x, [c], weight, bias, config, **state)


@lowering(fixed_batch_norm_op, axes=CHANNELS)
def fixed_batch_norm(x, weight, bias, running_mean, running_var, eps, *, c):
    """`BatchNormalization` that is not trained: its moving statistics stay as they are."""
    if not running_mean.is_constant or not running_var.is_constant:
        return ops.batch_normalization(
            x, running_mean, running_var, c, offset=bias, scale=weight, epsilon=eps
        )
    state = {"moving_mean": running_mean, "moving_variance": running_var}
    config = {"axis": as_keras_axis(c, x.ndim), "epsilon": eps, "trainable": False}
    return normalize("BatchNormalization", x, [c], weight, bias, config, **state)


NO_STATISTICS = "n c *s, c, c -> n c *s, c, c"


def native_batch_norm_axes(args: Mapping[str, Any]) -> str:
    """The statistics of the batch are results too, empty ones where they were not needed."""
    return f"{CHANNELS}, c, c" if args.get("training") else f"{CHANNELS}, mean', deviation'"


def find_statistics(
    x: Tensor, axes: Sequence[int], eps: float, used: Sequence[bool], *, keepdims: bool = False
) -> tuple[Tensor | None, Tensor | None]:
    """The mean over stored dimensions and one over the deviation, each where the model reads it."""
    _, reads_mean, reads_deviation = used
    mean, deviation = None, None
    if reads_mean:
        mean = ops.mean(x, axis=axes, keepdims=keepdims)
    if reads_deviation:
        deviation = ops.rsqrt(ops.var(x, axis=axes, keepdims=keepdims) + eps)
    return mean, deviation


@lowering(aten.native_batch_norm.default, axes=native_batch_norm_axes)
def native_batch_norm(
    x, weight, bias, running_mean, running_var, training, momentum, eps, *, c, context
):
    """`BatchNormalization`; in training with the statistics of the batch, otherwise without any."""
    y = batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps, False, c=c)
    if not training:
        return y, None, None
    return y, *find_statistics(x, other_axes(x, c), eps, context.used)


@lowering(aten._native_batch_norm_legit_no_training.default, axes=native_batch_norm_axes)
def batch_norm_no_training(
    x, weight, bias, running_mean, running_var, momentum, eps, *, c, context
):
    """`BatchNormalization` in inference."""
    return native_batch_norm(
        x, weight, bias, running_mean, running_var, False, momentum, eps, c=c, context=context
    )


@lowering(aten._native_batch_norm_legit.no_stats, axes=NO_STATISTICS)
def batch_norm_no_stats(x, weight, bias, training, momentum, eps, *, c, context):
    """Arithmetic by the statistics of the batch, in training or not."""
    return native_batch_norm(x, weight, bias, None, None, True, momentum, eps, c=c, context=context)


def name_normalized(args: Mapping[str, Any]) -> str:
    """One name for each normalized dimension, since without a weight no term would count them."""
    return " ".join(f"n{i}" for i in range(len(args["normalized_shape"])))


def layer_norm_axes(args: Mapping[str, Any]) -> str:
    """A weight and a bias of the last dimensions."""
    names = name_normalized(args)
    return f"... {names}, {names}, {names} -> ... {names}"


def rms_norm_axes(args: Mapping[str, Any]) -> str:
    """A weight of the last dimensions."""
    names = name_normalized(args)
    return f"... {names}, {names} -> ... {names}"


def native_layer_norm_axes(args: Mapping[str, Any]) -> str:
    """The statistics are results too, with a one for each normalized dimension."""
    names = name_normalized(args)
    return f"{layer_norm_axes(args)}, ... {names}, ... {names}"


@lowering(aten.layer_norm.default, axes=layer_norm_axes)
def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True, *, n):
    """`LayerNormalization` over the normalized dimensions, wherever they are stored."""
    config = {"axis": as_keras_axes(n, x.ndim), "epsilon": eps}
    return normalize("LayerNormalization", x, n, weight, bias, config)


@lowering(aten.native_layer_norm.default, axes=native_layer_norm_axes)
def native_layer_norm(x, normalized_shape, weight, bias, eps, *, n, context):
    """`LayerNormalization`, and the statistics that it takes."""
    y = layer_norm(x, normalized_shape, weight, bias, eps, n=n)
    return y, *find_statistics(x, n, eps, context.used, keepdims=True)


@lowering(aten.rms_norm.default, axes=rms_norm_axes)
def rms_norm(x, normalized_shape, weight=None, eps=None, *, n):
    """`RMSNormalization`, whose scale broadcasts along last dimensions only.

    Along others it is the op and a product.
    """
    epsilon = torch.finfo(getattr(torch, x.dtype)).eps if eps is None else eps
    axis = as_keras_axes(n, x.ndim)
    are_last = min(n) == x.ndim - len(n)
    if weight is not None and weight.is_constant and are_last:
        return call(layers.RMSNormalization(axis=axis, epsilon=epsilon), x, scale=weight)
    y = ops.rms_normalization(x, axis=axis, epsilon=epsilon)
    return scale_and_shift(y, weight, None, n)


@lowering(aten.group_norm.default, torch=GROUPS, keras=GROUPS_LAST)
def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
    """`GroupNormalization` along the last axis."""
    config = {"groups": num_groups, "epsilon": eps}
    return normalize("GroupNormalization", x, [x.ndim - 1], weight, bias, config)


@lowering(aten.instance_norm.default, torch=CHANNELS, keras=CHANNELS_LAST)
def instance_norm(
    x, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled
):
    """`GroupNormalization` of one channel a group; running statistics stay fixed in training."""
    c = x.ndim - 1
    if use_input_stats or running_mean is None:
        config = {"groups": x.shape[c], "epsilon": eps}
        return normalize("GroupNormalization", x, [c], weight, bias, config)
    return ops.batch_normalization(
        x, running_mean, running_var, c, offset=bias, scale=weight, epsilon=eps
    )
