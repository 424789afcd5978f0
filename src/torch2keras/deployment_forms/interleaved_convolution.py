"""A transposed convolution along a sequence as a convolution whose channels are then interleaved.

The output at s q + r is a sum over the input at q - j, weighted by the kernel at s j + r + padding:
for each of the s phases r a kernel of its own, all of them one convolution to s * filters channels,
and a reshape. LiteRT's TRANSPOSE_CONV takes 2 to 3 times as long.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
import torch

from torch2keras.declarations.context import Context
from torch2keras.deployment_forms.rank4 import Rank4, as_image
from torch2keras.deployment_forms.rules import rule
from torch2keras.deployment_forms.table import form, record_form
from torch2keras.keras_graph.graph import Call
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Recorded, Tensor
from torch2keras.ops.blocks.convolution import find_grouping
from torch2keras.ops.blocks.padding import as_tuple
from torch2keras.ops.blocks.transposed_convolution import has_transposed_layer
from torch2keras.ops.nn.conv import conv, conv_transpose

aten = torch.ops.aten


@form(aten.conv_transpose1d.default)
def interleave_convolution(
    x: Tensor,
    weight: Operand,
    bias: Operand | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    context: Context,
) -> Recorded:
    """CONV_2D and RESHAPE; dilated or depthwise as before."""
    if has_phases(x, weight, bias, groups, dilation):
        kernel = weight
        if groups == 1:
            kernel = weight.expand_dims(0)
        sizes = [as_tuple(size, 1)[0] for size in (stride, padding, output_padding)]
        return record_form("interleaved_convolution", context, x, kernel, bias, *sizes)
    return conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation)


@form(aten.convolution.default)
def convolve_either_way(
    x: Tensor,
    weight: Operand,
    bias: Operand | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    *,
    context: Context,
) -> Recorded:
    """The form of the op of its rank and direction."""
    if not transposed:
        return conv(x, weight, bias, stride, padding, dilation, groups)
    if x.ndim > 3:
        return conv_transpose(x, weight, bias, stride, padding, output_padding, groups, dilation)
    return interleave_convolution(
        x, weight, bias, stride, padding, output_padding, groups, dilation, context=context
    )


def has_phases(
    x: Tensor, weight: Operand, bias: Operand | None, groups: int, dilation: Any
) -> bool:
    """Whether there are kernels of phases: not of a dilated, depthwise or computed kernel."""
    is_known = weight.is_constant and (bias is None or bias.is_constant)
    grouping = find_grouping(x.shape[-1], groups)
    has_layer = has_transposed_layer(grouping, dilation, constant_kernel=is_known)
    return x.dtype == "float32" and has_layer


def split_phases(kernel: np.ndarray, stride: int, padding: int) -> tuple[np.ndarray, int, int]:
    """Return the kernels of all phases, and the first and last j of their taps.

    `kernel` is (groups, k, filters, channels), of each group; the result (taps, channels, groups *
    stride * filters), with the taps in the order of the input.
    """
    groups, size, filters, channels = kernel.shape
    first = -((stride - 1 + padding) // stride)
    last = (size - 1 - padding) // stride
    last = max(last, first)
    phases = np.zeros((last - first + 1, channels, groups, stride, filters), kernel.dtype)
    for j in range(first, last + 1):
        for phase in range(stride):
            place = stride * j + phase + padding
            if 0 <= place < size:
                phases[last - j, :, :, phase] = kernel[:, place].transpose(2, 0, 1)
    return phases.reshape(last - first + 1, channels, -1), first, last


@rule("forms.interleaved_convolution")
def run_interleaved(
    _call: Call, x: Any, kernel: Any, bias: Any, stride: int, padding: int, more: int
) -> Any:
    """One convolution, grouped as the transposed one, and the reshape; what is over is cut off."""
    image = as_image(x)
    batch, _, length, _ = image.shape
    groups, size, filters, _ = kernel.shape
    after = (length - 1) * stride + size - 2 * padding + more
    steps = math.ceil(after / stride)
    phases, first, last = split_phases(kernel, stride, padding)
    # Output q reads the input from q - last to q - first.
    before, behind = last, steps - 1 - first - (length - 1)
    image = fit_ends(image, before, behind)
    y = tf.nn.conv2d(image, tf.constant(phases[None]), 1, "VALID")
    if groups > 1:
        parts = tf.reshape(y, [batch, steps, groups, stride, filters])
        y = tf.transpose(parts, [0, 1, 3, 2, 4])
    elif bias is not None:
        y = tf.nn.bias_add(y, tf.constant(np.tile(bias, stride)))
    y = tf.reshape(y, [batch, 1, steps * stride, groups * filters])
    if groups > 1 and bias is not None:
        y = tf.nn.bias_add(y, tf.constant(bias))
    return Rank4(y[:, :, :after] if after < steps * stride else y)


def fit_ends(image: tf.Tensor, before: int, behind: int) -> tf.Tensor:
    """Return the image with so many columns of zeros at its ends; less where negative."""
    if before < 0 or behind < 0:
        image = image[:, :, max(0, -before) : image.shape[2] + min(0, behind)]
    if before > 0 or behind > 0:
        pads = [max(0, before), max(0, behind)]
        image = tf.pad(image, [[0, 0], [0, 0], pads, [0, 0]])
    return image
