"""A transposed convolution of (n, *s, c) as stock layers, or as a convolution between zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor, call, layers, ops
from torch2keras.ops.blocks.convolution import (
    Convolution,
    Grouping,
    convolve,
    find_grouping,
    find_kernel_size,
    unstack,
)
from torch2keras.ops.blocks.operands import add_bias, split_bias
from torch2keras.ops.blocks.padding import as_tuple, pad_spatial


@dataclass(frozen=True)
class TransposedConvolution:
    """How a kernel is applied to (n, *s, c); a tuple has a number for each spatial dimension."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    channels: int
    groups: int


def has_transposed_layer(
    grouping: Grouping, dilation: int | Sequence[int], *, constant_kernel: bool
) -> bool:
    """Whether stock layers compute a transposed convolution, one layer a group.

    The layer has neither groups nor, beside a stride, dilation; and TensorFlow's kernel runs no
    dilated one at all. Of a depthwise one there would be as many layers as channels. The op that
    would take a computed kernel fails in a Functional model: it passes its arguments on in the
    wrong order (Keras 3.15).
    """
    return constant_kernel and max(as_tuple(dilation, 1)) == 1 and grouping != Grouping.DEPTHWISE


def convolve_transposed(
    x: Tensor, weight: Operand, bias: Operand | None, how: TransposedConvolution
) -> Tensor:
    """The transposed convolution of (n, *s, c).

    Where it has a layer, the kernel is (*k, filters, channels), with the groups as a first
    dimension if there are several; else it is that of `convolve`.
    """
    grouping = find_grouping(how.channels, how.groups)
    if not has_transposed_layer(grouping, how.dilation, constant_kernel=weight.is_constant):
        return _convolve_between_zeros(x, weight, bias, how)
    if how.groups == 1:
        return _apply_layer(x, weight, bias, how)
    held, added = split_bias(bias)
    biases: list[Operand | None] = [None] * how.groups
    if held is not None:
        biases = [*unstack(held.reshape(how.groups, -1))]
    inputs = ops.split(x, how.groups, axis=-1)
    groups = zip(inputs, unstack(weight), biases, strict=True)
    y = ops.concatenate([_apply_layer(*group, how) for group in groups], axis=-1)
    return add_bias(y, added)


def _apply_layer(
    x: Tensor, weight: Operand, bias: Operand | None, how: TransposedConvolution
) -> Tensor:
    """The layer's full result, cropped by the padding; on the right less by `output_padding`."""
    rank = x.ndim - 2
    kernel_size = weight.shape[:rank]
    pads = [(-p, more - p) for p, more in zip(how.padding, how.output_padding, strict=True)]
    held, added = split_bias(bias)
    if any(right > 0 for _, right in pads):
        # What is padded behind the layer must have the bias too.
        held, added = None, bias
    config: dict[str, Any] = {
        "filters": weight.shape[-2],
        "kernel_size": kernel_size,
        "strides": how.stride,
        "use_bias": held is not None,
    }
    if any(k < s for k, s in zip(kernel_size, how.stride, strict=True)):
        config["output_padding"] = (0,) * rank
    layer = getattr(layers, f"Conv{rank}DTranspose")(padding="valid", **config)
    y = pad_spatial(call(layer, x, kernel=weight, bias=held), pads)
    return add_bias(y, added)


def _convolve_between_zeros(
    x: Tensor, weight: Operand, bias: Operand | None, how: TransposedConvolution
) -> Tensor:
    """A convolution by the flipped kernel.

    Its input is `x` with `stride - 1` zeros behind each element.
    (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", chapter 4,
    https://arxiv.org/abs/1603.07285)
    """
    rank = x.ndim - 2
    sizes = find_kernel_size(weight, rank)
    rows = zip(sizes, how.dilation, how.padding, how.output_padding, how.stride, strict=True)
    pads = []
    for kernel, dilation, padding, output_padding, stride in rows:
        left = dilation * (kernel - 1) - padding
        pads.append((left, left + output_padding - (stride - 1)))
    for axis, stride in enumerate(how.stride, start=1):
        x = insert_zeros(x, axis, stride - 1)
    flipped = weight.flip(*range(rank))
    plain = Convolution((1,) * rank, pads, how.dilation, how.channels, how.groups)
    return convolve(x, flipped, bias, plain)


def insert_zeros(x: Tensor, axis: int, count: int) -> Tensor:
    """`x` with so many zeros behind each element of one dimension, which is not the first."""
    if not count:
        return x
    if None in (*x.shape[1:axis], *x.shape[axis + 1 :]):
        # A reshape computes one dynamic dimension, not two.
        copies = ops.repeat(x, count + 1, axis=axis)
        places = ops.cumsum(ops.ones_like(copies, dtype="int32"), axis=axis)
        return ops.where(ops.equal(ops.mod(places, count + 1), 1), copies, ops.zeros_like(copies))
    pads = [(0, 0)] * (x.ndim + 1)
    pads[axis + 1] = (0, count)
    pairs = ops.pad(ops.expand_dims(x, axis + 1), pads)
    length = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = -1 if length is None else length * (count + 1)
    return layers.Reshape(target_shape=tuple(shape[1:]))(pairs)
