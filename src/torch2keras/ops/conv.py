"""Convolutions, of one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torch2keras.keras_graph import Weight
from torch2keras.ops.padding import Pads, crop, tuple_of, zero_pad
from torch2keras.recorder import Tensor, call, layers, ops
from torch2keras.registry import lowering

aten = torch.ops.aten


def conv_torch(args: Mapping[str, Any]) -> str:
    """One group contracts channels; a depthwise one keeps each; between them blocks of channels."""
    kind = conv_kind(args)
    return {
        "dense": "n? c *s', f c *k', f -> n? f *s'",
        "depthwise": "n? c *s', c 1 *k', c -> n? c *s'",
        "multiplied": "n? groups *s', (groups m) 1 *k', (groups m) -> n? (groups m) *s'",
        "grouped": "n? (groups i) *s', (groups o) i *k', (groups o) -> n? (groups o) *s'",
    }[kind]


def conv_keras(args: Mapping[str, Any]) -> str:
    """Channels last; a depthwise kernel is (k, channels, multiplier)."""
    return {
        "dense": "n *s' c, *k' c f, f -> n *s' f",
        "depthwise": "n *s' c, *k' c 1, c -> n *s' c",
        "multiplied": "n *s' groups, *k' groups m, (groups m) -> n *s' (groups m)",
        "grouped": "n *s' (groups i), *k' i (groups o), (groups o) -> n *s' (groups o)",
    }[conv_kind(args)]


def conv_kind(args: Mapping[str, Any]) -> str:
    """dense, depthwise, multiplied (depthwise with several filters a channel) or grouped."""
    filters, depth = args["weight"].type.shape[:2]
    if args["groups"] == 1:
        return "dense"
    if depth == 1:
        return "depthwise" if filters == args["groups"] else "multiplied"
    return "grouped"


@lowering(aten.conv1d.default, aten.conv2d.default, aten.conv3d.default, torch=conv_torch, keras=conv_keras)
def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """`ZeroPadding` + `Conv`; native "same" where that is equal for every length."""
    rank = x.ndim - 2
    return convolve(x, weight, bias, tuple_of(stride, rank), [(p, p) for p in tuple_of(padding, rank)], tuple_of(dilation, rank), groups)


@lowering(aten.conv1d.padding, aten.conv2d.padding, aten.conv3d.padding, torch=conv_torch, keras=conv_keras)
def conv_named_padding(x, weight, bias=None, stride=1, padding="valid", dilation=1, groups=1):
    """`Conv` with padding "same" or "valid"; of an odd total PyTorch too pads the extra element on the right."""
    rank = x.ndim - 2
    dilation, kernel = tuple_of(dilation, rank), weight.shape[:rank]
    total = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
    return convolve(x, weight, bias, tuple_of(stride, rank), [(t // 2, t - t // 2) for t in total], dilation, groups)


def convolve(
    x: Tensor, weight: Weight | Tensor, bias: Any, stride: Sequence[int], pads: Pads, dilation: Sequence[int], groups: int
) -> Tensor:
    """Any convolution on (n, *s, c): stock layers refuse stride with dilation, which is a dense one that is thinned."""
    kernel = weight.shape[: x.ndim - 2]
    thin = max(stride) > 1 and (max(dilation) > 1 or (len(set(stride)) > 1 and groups == x.shape[-1]))
    config = {"strides": tuple(1 for _ in stride) if thin else tuple(stride), "dilation_rate": tuple(dilation), "padding": "valid"}
    if same_for_all_lengths(kernel, stride, pads, dilation):
        config["padding"] = "same"
    else:
        x = zero_pad(x, pads)
    y = _layer(x, weight, bias, config, groups) if isinstance(weight, Weight) else _computed(x, weight, bias, config, groups)
    return y[(slice(None), *(slice(None, None, s) for s in stride))] if thin else y


def same_for_all_lengths(kernel: Sequence[int], stride: Sequence[int], pads: Pads, dilation: Sequence[int]) -> bool:
    """Whether "same" pads exactly so at every length: with stride 1 it pads d(k-1) in all, the odd one on the right."""
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return max(stride) == 1 and max(totals) > 0 and list(pads) == [(t // 2, t - t // 2) for t in totals]


def _layer(x: Tensor, weight: Weight, bias: Weight | Tensor | None, config: dict[str, Any], groups: int) -> Tensor:
    rank = x.ndim - 2
    kernel_size, channels = weight.shape[:rank], x.shape[-1]
    learnt = bias if isinstance(bias, Weight) else None
    common = {"kernel_size": kernel_size, **config, "use_bias": learnt is not None}
    if groups == channels and groups > 1 and rank < 3:
        layer = getattr(layers, f"DepthwiseConv{rank}D")(depth_multiplier=weight.shape[-1], **common)
    else:
        kernel = weight.reshape(*kernel_size, channels // groups, -1)
        weight, filters = kernel, kernel.shape[-1]
        layer = getattr(layers, f"Conv{rank}D")(filters=filters, groups=groups, **common)
    y = call(layer, x, kernel=weight, bias=learnt)
    return y if bias is None or learnt is not None else y + bias


def _computed(x: Tensor, weight: Tensor, bias: Any, config: dict[str, Any], groups: int) -> Tensor:
    """Weights that the model computes: the op instead of the layer."""
    kernel = ops.reshape(weight, (*weight.shape[: x.ndim - 2], x.shape[-1] // groups, -1)) if groups > 1 else weight
    y = ops.conv(x, kernel, **config)
    return y if bias is None else y + bias


def transposed_torch(args: Mapping[str, Any]) -> str:
    grouped = "n? (groups i) *s', (groups i) o *k', (groups o) -> n? (groups o) *s'"
    return "n? i *s', i f *k', f -> n? f *s'" if args["groups"] == 1 else grouped


def transposed_keras(args: Mapping[str, Any]) -> str:
    grouped = "n *s' (groups i), groups *k' o i, (groups o) -> n *s' (groups o)"
    return "n *s' i, *k' f i, f -> n *s' f" if args["groups"] == 1 else grouped


@lowering(
    aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input,
    torch=transposed_torch, keras=transposed_keras,
)  # fmt: skip
def conv_transpose(x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """`ConvTranspose` with padding "valid", cropped; stock Keras has no groups here, so one layer a group."""
    rank = x.ndim - 2
    numbers = [tuple_of(v, rank) for v in (stride, padding, output_padding, dilation)]
    if groups == 1:
        return transposed(x, weight, bias, *numbers)
    parts = ops.split(x, groups, axis=-1)
    each = weight.shape[-2]
    kernels = [weight.narrow(0, g, g + 1).reshape(*weight.shape[1:]) for g in range(groups)]
    biases = [bias and bias.narrow(0, g * each, g * each + each) for g in range(groups)]
    return ops.concatenate([transposed(p, k, b, *numbers) for p, k, b in zip(parts, kernels, biases, strict=True)], axis=-1)


def transposed(
    x: Tensor, weight: Weight, bias: Weight | None, stride: Any, padding: Any, output_padding: Any, dilation: Any
) -> Tensor:
    """One group: the full result, cropped by `padding` on the left and `padding - output_padding` on the right."""
    rank = x.ndim - 2
    kernel = weight.shape[:rank]
    crops = [(p, p - extra) for p, extra in zip(padding, output_padding, strict=True)]
    grows = any(right < 0 for _, right in crops)
    config = {"filters": weight.shape[-2], "kernel_size": kernel, "use_bias": bias is not None and not grows}
    if max(stride) > 1 and max(dilation) > 1:
        x = zero_stuffed(x, stride)
        full = [(d * (k - 1), d * (k - 1)) for d, k in zip(dilation, kernel, strict=True)]
        flipped = weight.flip(*range(rank)).transpose(*range(rank), rank + 1, rank)
        y = convolve(x, flipped, None if grows else bias, (1,) * rank, full, dilation, 1)
    else:
        zero = {"output_padding": tuple(0 for _ in stride)} if any(k < s for k, s in zip(kernel, stride, strict=True)) else {}
        layer = getattr(layers, f"Conv{rank}DTranspose")(strides=stride, dilation_rate=dilation, padding="valid", **zero, **config)
        y = call(layer, x, kernel=weight, bias=None if grows else bias)
    y = crop(zero_pad(y, [(0, max(0, -right)) for _, right in crops]), [(left, max(0, right)) for left, right in crops])
    return y + bias if grows and bias is not None else y


def zero_stuffed(x: Tensor, stride: Sequence[int]) -> Tensor:
    """`stride - 1` zeros between neighbours: each element repeated, all but the first of each run masked."""
    rank = len(stride)
    y = zero_pad(ops.expand_dims(x, -1), [(0, 0)] * rank) if not rank else x
    for axis, s in enumerate(stride, start=1):
        zeros = ops.zeros_like(y)
        stacked = ops.stack([y, *[zeros] * (s - 1)], axis=axis + 1)
        merged = (*y.shape[1:axis], -1, *y.shape[axis + 1 :])
        y = layers.Reshape(target_shape=merged)(stacked)
        y = y[(slice(None),) * axis + (slice(None, 1 - s or None),)]
    return y
