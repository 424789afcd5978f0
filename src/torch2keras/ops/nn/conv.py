"""Convolutions, of one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.graph.ir import Constant
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, call, cast, layers, ops
from torch2keras.ops.blocks.padding import Pads, tuple_of, zero_pad

aten = torch.ops.aten


def conv_torch(args: Mapping[str, Any]) -> str:
    """One group contracts channels; a depthwise one keeps each; between them blocks of channels."""
    kind = conv_kind(args)
    return {
        "dense": "n? c *s', f c *k', f -> n? f *s'",
        "depthwise": "n? c *s', c 1 *k', c -> n? c *s'",
        "multiplied": "n? groups *s', (groups m) 1 *k', (groups m) -> n? (groups m) *s'",
        "grouped": "n? (groups i) *s', (groups o) i *k', (groups o) -> n? (groups o) *s'",
        "open": "n? c' *s', f' i' *k', f' -> n? f' *s'",
    }[kind]


def conv_keras(args: Mapping[str, Any]) -> str:
    """Channels last; a depthwise kernel is (k, channels, multiplier)."""
    return {
        "dense": "n *s' c, *k' c f, f -> n *s' f",
        "depthwise": "n *s' c, *k' c 1, c -> n *s' c",
        "multiplied": "n *s' groups, *k' groups m, (groups m) -> n *s' (groups m)",
        "grouped": "n *s' (groups i), *k' i (groups o), (groups o) -> n *s' (groups o)",
        "open": "n *s' c', *k' i' f', f' -> n *s' f'",
    }[conv_kind(args)]


def conv_kind(args: Mapping[str, Any]) -> str:
    """dense, depthwise, multiplied (several filters a channel), grouped, or open: in groups of dynamic size."""
    filters, depth = args["weight"].type.shape[:2]
    if args["groups"] == 1:
        return "dense"
    if not isinstance(filters, int):
        return "open"
    if depth == 1:
        return "depthwise" if filters == args["groups"] else "multiplied"
    return "grouped"


@lowering(
    aten.conv1d.default,
    aten.conv2d.default,
    aten.conv3d.default,
    torch=conv_torch,
    keras=conv_keras,
)
def conv(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """`ZeroPadding` + `Conv`; native "same" where that is equal for every length."""
    rank = x.ndim - 2
    return convolve(
        x,
        weight,
        bias,
        tuple_of(stride, rank),
        [(p, p) for p in tuple_of(padding, rank)],
        tuple_of(dilation, rank),
        groups,
    )


@lowering(
    aten.conv1d.padding,
    aten.conv2d.padding,
    aten.conv3d.padding,
    torch=conv_torch,
    keras=conv_keras,
)
def conv_named_padding(x, weight, bias=None, stride=1, padding="valid", dilation=1, groups=1):
    """`Conv` with padding "same" or "valid"; of an odd total PyTorch too pads the extra element on the right."""
    rank = x.ndim - 2
    dilation, kernel = tuple_of(dilation, rank), weight.shape[:rank]
    total = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
    return convolve(
        x,
        weight,
        bias,
        tuple_of(stride, rank),
        [(t // 2, t - t // 2) for t in total],
        dilation,
        groups,
    )


def convolve(
    x: Tensor,
    weight: Weight | Tensor,
    bias: Any,
    stride: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Any convolution on (n, *s, c): stock layers refuse stride with dilation, which is a dense one that is thinned."""
    if (
        x.ndim == 5
        and groups == x.shape[-1] > 1
        and isinstance(weight, Weight)
        and None not in x.shape[1:]
    ):
        return _frames(zero_pad(x, pads), weight, bias, stride, dilation)
    kernel = weight.shape[: x.ndim - 2]
    thin = max(stride) > 1 and (
        max(dilation) > 1 or (len(set(stride)) > 1 and 1 < groups == x.shape[-1])
    )
    config = {
        "strides": tuple(1 for _ in stride) if thin else tuple(stride),
        "dilation_rate": tuple(dilation),
        "padding": "valid",
    }
    if same_for_all_lengths(kernel, stride, pads, dilation):
        config["padding"] = "same"
    else:
        x = zero_pad(x, pads)
    y = (
        _layer(x, weight, bias, config, groups)
        if isinstance(weight, Weight)
        else _computed(x, weight, bias, config, groups)
    )
    return y[(slice(None), *(slice(None, None, s) for s in stride))] if thin else y


def same_for_all_lengths(
    kernel: Sequence[int], stride: Sequence[int], pads: Pads, dilation: Sequence[int]
) -> bool:
    """Whether "same" pads exactly so at every length: with stride 1 it pads d(k-1) in all, the odd one on the right."""
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return (
        max(stride) == 1
        and max(totals) > 0
        and list(pads) == [(t // 2, t - t // 2) for t in totals]
    )


def _frames(
    x: Tensor,
    weight: Weight,
    bias: Weight | Tensor | None,
    stride: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """A depthwise convolution in three dimensions: one of the frames for each place of the kernel in depth, added up.

    Keras's Conv3D of so many groups is compiled by XLA, and 13 to 100 times as slow on a processor (TensorFlow 2.21).
    """
    _, depth, *frame = x.shape
    frames, kernels = ops.reshape(x, (-1, *frame)), split(weight, weight.shape[0])
    reach = dilation[0] * (len(kernels) - 1)
    parts = []
    for tap, kernel in enumerate(kernels):
        y = convolve(
            frames, kernel, None if tap else bias, stride[1:], [(0, 0)] * 2, dilation[1:], frame[-1]
        )
        start = tap * dilation[0]
        parts.append(
            ops.reshape(y, (-1, depth, *y.shape[1:]))[:, start : start + depth - reach : stride[0]]
        )
    return reduce(ops.add, parts)


def _layer(
    x: Tensor, weight: Weight, bias: Weight | Tensor | None, config: dict[str, Any], groups: int
) -> Tensor:
    rank = x.ndim - 2
    kernel_size, channels = weight.shape[:rank], x.shape[-1]
    learnt = bias if isinstance(bias, Weight) else None
    if x.dtype == "bfloat16" and learnt is not None:
        x = cast(
            x, "float32"
        )  # as PyTorch, which rounds once, behind the bias: the layer would round before it too
    common = {"kernel_size": kernel_size, **config, "use_bias": learnt is not None}
    if groups == channels and groups > 1 and rank < 3:
        layer = getattr(layers, f"DepthwiseConv{rank}D")(
            depth_multiplier=weight.shape[-1], **common
        )
    else:
        kernel = weight.reshape(*kernel_size, channels // groups, -1)
        weight, filters = kernel, kernel.shape[-1]
        layer = getattr(layers, f"Conv{rank}D")(filters=filters, groups=groups, **common)
    y = call(layer, x, kernel=weight, bias=learnt)
    return y if bias is None or learnt is not None else y + bias


def _computed(x: Tensor, weight: Tensor, bias: Any, config: dict[str, Any], groups: int) -> Tensor:
    """Weights that the model computes: the op instead of the layer, in a Functional model one a group."""
    if groups == 1:
        y = ops.conv(x, weight, **config)
    elif (
        groups == x.shape[-1] == weight.shape[-2]
        and x.ndim < 5
        and len({*config["dilation_rate"]}) == 1
    ):
        # Numbers, as the op does not take the lists that a reloaded model has for tuples.
        numbers = {name: config[name][0] for name in ("strides", "dilation_rate")}
        y = ops.depthwise_conv(x, weight, padding=config["padding"], **numbers)
    else:
        parts = zip(
            ops.split(x, groups, axis=-1), _kernels(weight, x.shape[-1], groups), strict=True
        )
        y = ops.concatenate([ops.conv(*part, **config) for part in parts], axis=-1)
    return y if bias is None else y + bias


def _kernels(weight: Tensor, channels: int, groups: int) -> list[Tensor]:
    """The (*k, channels of a group, filters of a group) of each group."""
    each = channels // groups
    whole = (
        weight if weight.shape[-2] == each else ops.reshape(weight, (*weight.shape[:-2], each, -1))
    )
    return ops.split(whole, groups, axis=-1)


def direct(args: Mapping[str, Any]) -> bool:
    """Whether a transposed convolution is the stock layer, one a group; else it is a convolution of a stuffed input.

    The layer has neither groups nor, beside a stride, dilation; and TensorFlow's kernel runs no dilated one at all.
    The op that would take a computed kernel fails in a Functional model of Keras 3.15: it passes its arguments on in
    the wrong order.
    """
    dilated = max(tuple_of(args["dilation"], 1)) > 1
    depthwise = args["groups"] > 1 and args["weight"].type.shape[0] == args["groups"]
    return isinstance(args["weight"], Constant) and not dilated and not depthwise


def transposed_torch(args: Mapping[str, Any]) -> str:
    """PyTorch's kernel is (inputs, filters of a group, k)."""
    if args["groups"] == 1:
        return "n? i *s', i f *k', f -> n? f *s'"
    if args["weight"].type.shape[0] == args["groups"]:
        return "n? groups *s', groups m *k', (groups m) -> n? (groups m) *s'"
    return "n? (groups i) *s', (groups i) o *k', (groups o) -> n? (groups o) *s'"


def transposed_keras(args: Mapping[str, Any]) -> str:
    """Of the layer (k, filters, inputs); of a convolution in its place as conv_keras has it."""
    if direct(args):
        grouped = "n *s' (groups i), groups *k' o i, (groups o) -> n *s' (groups o)"
        return "n *s' i, *k' f i, f -> n *s' f" if args["groups"] == 1 else grouped
    if args["groups"] == 1:
        return "n *s' i, *k' i f, f -> n *s' f"
    if args["weight"].type.shape[0] == args["groups"]:
        return "n *s' groups, *k' groups m, (groups m) -> n *s' (groups m)"
    return "n *s' (groups i), *k' i (groups o), (groups o) -> n *s' (groups o)"


@lowering(
    aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input,
    torch=transposed_torch, keras=transposed_keras,
)  # fmt: skip
def conv_transpose(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """`ConvTranspose`, cropped, one a group; with dilation, or depthwise, a convolution between zeros."""
    rank = x.ndim - 2
    stride, padding, more, dilation = (
        tuple_of(v, rank) for v in (stride, padding, output_padding, dilation)
    )
    if max(dilation) > 1 or x.shape[-1] == groups > 1 or not isinstance(weight, Weight):
        return stuffed(x, weight, bias, stride, padding, more, dilation, groups)
    if groups == 1:
        return transposed(x, weight, bias, stride, padding, more)
    inside = bias if isinstance(bias, Weight) else None
    parts = zip(
        ops.split(x, groups, axis=-1), split(weight, groups), split(inside, groups), strict=True
    )
    each = [transposed(part, w, b, stride, padding, more) for part, w, b in parts]
    y = ops.concatenate(each, axis=-1)
    return y if bias is inside else y + bias


def split(weight: Weight | None, groups: int) -> list[Any]:
    """The kernel or bias of each group; of (groups, ...) the rest of its dimensions, of (filters,) their part."""
    if weight is None:
        return [None] * groups
    each = weight if weight.ndim > 1 else weight.reshape(groups, -1)
    return [each.narrow(0, g, g + 1).reshape(*each.shape[1:]) for g in range(groups)]


def transposed(
    x: Tensor,
    weight: Weight,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    more: Sequence[int],
) -> Tensor:
    """The stock layer's full result, cropped by `padding` on the left and `padding - more` on the right."""
    rank = x.ndim - 2
    kernel = weight.shape[:rank]
    pads = [(-p, extra - p) for p, extra in zip(padding, more, strict=True)]
    grows = (
        max(max(pair) for pair in pads) > 0
    )  # what is padded behind the layer must have the bias too
    inside = bias if isinstance(bias, Weight) and not grows else None
    config = {
        "filters": weight.shape[-2],
        "kernel_size": kernel,
        "strides": tuple(stride),
        "use_bias": inside is not None,
    }
    if any(k < s for k, s in zip(kernel, stride, strict=True)):
        config["output_padding"] = (0,) * rank
    layer = getattr(layers, f"Conv{rank}DTranspose")(padding="valid", **config)
    y = zero_pad(call(layer, x, kernel=weight, bias=inside), pads)
    return y if bias is None or inside is not None else y + bias


def stuffed(
    x: Tensor, weight: Weight | Tensor, bias: Any, stride: Sequence[int], padding: Sequence[int], more: Sequence[int],
    dilation: Sequence[int], groups: int,
) -> Tensor:  # fmt: skip
    """A convolution with the flipped kernel over the input with `stride - 1` zeros behind each element."""
    rank = x.ndim - 2
    reach = [d * (int(k or 0) - 1) for d, k in zip(dilation, weight.shape, strict=False)]
    flipped = (
        weight.flip(*range(rank))
        if isinstance(weight, Weight)
        else ops.flip(weight, axis=tuple(range(rank)))
    )
    rows = zip(reach, padding, more, stride, strict=True)
    pads = [(r - p, r - p + extra - (s - 1)) for r, p, extra, s in rows]
    for axis, s in enumerate(stride, start=1):
        x = zeros_behind(x, axis, s - 1)
    return convolve(x, flipped, bias, (1,) * rank, pads, dilation, groups)


def zeros_behind(x: Tensor, axis: int, count: int) -> Tensor:
    """Zeros behind each element of one dimension."""
    if not count:
        return x
    if None in (
        *x.shape[1:axis],
        *x.shape[axis + 1 :],
    ):  # a reshape computes one dynamic dimension, not two
        copies = ops.repeat(x, count + 1, axis=axis)
        places = ops.cumsum(ops.ones_like(copies, dtype="int32"), axis=axis)
        return ops.where(ops.equal(ops.mod(places, count + 1), 1), copies, ops.zeros_like(copies))
    wide = ops.pad(
        ops.expand_dims(x, axis + 1), [(0, count * (d == axis + 1)) for d in range(x.ndim + 1)]
    )
    length = x.shape[axis]
    merged = [
        size if d != axis else -1 if length is None else length * (count + 1)
        for d, size in enumerate(x.shape)
    ]
    return layers.Reshape(target_shape=tuple(merged[1:]))(wide)


def convolution_torch(args: Mapping[str, Any]) -> str:
    """Of either direction."""
    return transposed_torch(args) if args["transposed"] else conv_torch(args)


def convolution_keras(args: Mapping[str, Any]) -> str:
    """Of either direction."""
    return transposed_keras(args) if args["transposed"] else conv_keras(args)


@lowering(aten.convolution.default, torch=convolution_torch, keras=convolution_keras)
def convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """`Conv` or `ConvTranspose`, as the op of its rank."""
    if transposed:
        return conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation)
    return conv(x, weight, bias, stride, padding, dilation, groups)
