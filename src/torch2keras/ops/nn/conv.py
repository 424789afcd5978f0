"""Convolutions and transposed convolutions, of one, two and three dimensions.

A declaration says where the axes of the input, the kernel and the result lie, in PyTorch and in
Keras; the transposes follow from that, and those of a kernel are done once, at conversion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.custom_ops.same_convolution import same_convolution
from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Constant
from torch2keras.ops.blocks.convolution import (
    Convolution,
    Grouping,
    convolve,
    find_grouping,
    find_kernel_size,
    split_evenly,
)
from torch2keras.ops.blocks.padding import as_tuple
from torch2keras.ops.blocks.transposed_convolution import (
    TransposedConvolution,
    convolve_transposed,
    has_transposed_layer,
)

aten = torch.ops.aten


def find_conv_grouping(args: Mapping[str, Any]) -> Grouping:
    """The grouping of a convolution, whose kernel is (filters, channels of a group, *k)."""
    filters, channels = args["weight"].type.shape[:2]
    groups = args["groups"]
    if groups > 1 and not isinstance(filters, int):
        return Grouping.UNKNOWN
    return find_grouping(channels * groups, groups)


def find_transposed_grouping(args: Mapping[str, Any]) -> Grouping:
    """The grouping of a transposed one, whose kernel is (channels, filters of a group, *k)."""
    channels = args["weight"].type.shape[0]
    return find_grouping(channels, args["groups"])


CONV = {
    Grouping.DENSE: "n? c *s', f c *k', f -> n? f *s'",
    Grouping.DEPTHWISE: "n? groups *s', (groups m) 1 *k', (groups m) -> n? (groups m) *s'",
    Grouping.GROUPED: "n? (groups i) *s', (groups o) i *k', (groups o) -> n? (groups o) *s'",
    Grouping.UNKNOWN: "n? c' *s', f' i' *k', f' -> n? f' *s'",
}
"""PyTorch's order of axes, by the grouping; *s are spatial dimensions, *k those of the kernel."""

CONV_TRANSPOSE = {
    Grouping.DENSE: "n? c *s', c f *k', f -> n? f *s'",
    Grouping.DEPTHWISE: "n? groups *s', groups m *k', (groups m) -> n? (groups m) *s'",
    Grouping.GROUPED: "n? (groups i) *s', (groups i) o *k', (groups o) -> n? (groups o) *s'",
}
"""The same of a transposed convolution."""

KERAS_CONV = {
    Grouping.DENSE: "n *s' c, *k' c f, f -> n *s' f",
    Grouping.DEPTHWISE: "n *s' groups, *k' groups m, (groups m) -> n *s' (groups m)",
    Grouping.GROUPED: "n *s' (groups i), *k' i (groups o), (groups o) -> n *s' (groups o)",
    Grouping.UNKNOWN: "n *s' c', *k' i' f', f' -> n *s' f'",
}
"""Keras's order of axes, by the grouping."""

KERAS_CONV_TRANSPOSE = {
    Grouping.DENSE: "n *s' c, *k' f c, f -> n *s' f",
    Grouping.GROUPED: "n *s' (groups i), groups *k' o i, (groups o) -> n *s' (groups o)",
}
"""The same of the layer of a transposed convolution, which is called once a group."""


def conv_torch(args: Mapping[str, Any]) -> str:
    """Channels before the spatial dimensions."""
    return CONV[find_conv_grouping(args)]


def conv_keras(args: Mapping[str, Any]) -> str:
    """Channels last, and filters last in the kernel."""
    return KERAS_CONV[find_conv_grouping(args)]


@lowering(
    aten.conv1d.default, aten.conv2d.default, aten.conv3d.default,
    torch=conv_torch, keras=conv_keras,
)  # fmt: skip
def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """`ZeroPadding` + `Conv`; native "same" where that is equal for every length."""
    rank = x.ndim - 2
    pads = [(p, p) for p in as_tuple(padding, rank)]
    stride, dilation = as_tuple(stride, rank), as_tuple(dilation, rank)
    return convolve(x, weight, bias, Convolution(stride, pads, dilation, x.shape[-1], groups))


@lowering(
    aten.conv1d.padding, aten.conv2d.padding, aten.conv3d.padding,
    torch=conv_torch, keras=conv_keras,
)  # fmt: skip
def conv_named_padding(x, weight, bias=None, stride=1, padding="valid", dilation=1, groups=1):
    """`Conv` with padding "same" or "valid"; of an odd total both pad one more on the right."""
    rank = x.ndim - 2
    stride, dilation = as_tuple(stride, rank), as_tuple(dilation, rank)
    totals = [0] * rank
    if padding == "same":
        totals = [
            d * (k - 1) for d, k in zip(dilation, find_kernel_size(weight, rank), strict=True)
        ]
    pads = split_evenly(totals)
    return convolve(x, weight, bias, Convolution(stride, pads, dilation, x.shape[-1], groups))


@lowering(same_convolution, torch=conv_torch, keras=conv_keras)
def conv_same(x, weight, bias=None, stride=1, dilation=1, groups=1):
    """`Conv` with padding "same", at any stride."""
    pads = [(0, 0)] * (x.ndim - 2)
    how = Convolution(tuple(stride), pads, tuple(dilation), x.shape[-1], groups, same=True)
    return convolve(x, weight, bias, how)


def conv_transpose_torch(args: Mapping[str, Any]) -> str:
    """Channels before the spatial dimensions."""
    return CONV_TRANSPOSE[find_transposed_grouping(args)]


def conv_transpose_keras(args: Mapping[str, Any]) -> str:
    """Channels last; where there is no layer of it, the kernel is that of a convolution."""
    grouping = find_transposed_grouping(args)
    constant = isinstance(args["weight"], Constant)
    if has_transposed_layer(grouping, args["dilation"], constant_kernel=constant):
        return KERAS_CONV_TRANSPOSE[grouping]
    return KERAS_CONV[grouping]


@lowering(
    aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input,
    torch=conv_transpose_torch, keras=conv_transpose_keras,
)  # fmt: skip
def conv_transpose(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """`ConvTranspose`, cropped, one a group; dilated or depthwise a convolution between zeros."""
    rank = x.ndim - 2
    stride, padding, output_padding, dilation = (
        as_tuple(size, rank) for size in (stride, padding, output_padding, dilation)
    )
    how = TransposedConvolution(stride, padding, output_padding, dilation, x.shape[-1], groups)
    return convolve_transposed(x, weight, bias, how)


def convolution_torch(args: Mapping[str, Any]) -> str:
    """The order of the direction that the op is called with."""
    return conv_transpose_torch(args) if args["transposed"] else conv_torch(args)


def convolution_keras(args: Mapping[str, Any]) -> str:
    """The order of the direction that the op is called with."""
    return conv_transpose_keras(args) if args["transposed"] else conv_keras(args)


@lowering(aten.convolution.default, torch=convolution_torch, keras=convolution_keras)
def convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """`Conv` or `ConvTranspose`, as the op of its rank."""
    if transposed:
        return conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(x, weight, bias, stride, padding, dilation, groups)
