"""A convolution of (n, *s, c) as stock Keras layers, or as ops by a computed kernel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import reduce
from typing import Any

from torch2keras.errors import LoweringError
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor, call, cast, layers, ops
from torch2keras.ops.blocks.operands import add_bias, split_bias
from torch2keras.ops.blocks.padding import Pads, pad_spatial

FEWEST_PRODUCTS = 1000
"""From how many products of a filter with one channel on a group is a layer of its own.

A processor runs the layers in half the time of Keras's grouped convolution, which XLA compiles on
TensorFlow and JAX, and their gradients in 0.02 to 0.5 of it. Of fewer products the calls take
longer than what they compute. (docs/benchmarks.md)
"""


MOST_GROUPS = 8
"""How many layers one convolution may become: more are no code to read, and slow on a GPU."""


groups_at_once: ContextVar[bool] = ContextVar("groups_at_once", default=False)


@contextmanager
def keep_groups_together() -> Iterator[None]:
    """Let a grouped convolution be one layer, however large it is."""
    token = groups_at_once.set(True)
    try:
        yield
    finally:
        groups_at_once.reset(token)


class Grouping(Enum):
    """Which channels of the input a filter sees."""

    DENSE = auto()
    """All of them."""
    DEPTHWISE = auto()
    """One: each of several channels is a group of its own."""
    GROUPED = auto()
    """Those of its group."""
    UNKNOWN = auto()
    """Those of its group, where how many filters there are is dynamic."""


def find_grouping(channels: Any, groups: int) -> Grouping:
    """The grouping where the number of filters is known."""
    if groups == 1:
        return Grouping.DENSE
    return Grouping.DEPTHWISE if groups == channels else Grouping.GROUPED


@dataclass(frozen=True)
class Convolution:
    """How a kernel is applied to (n, *s, c); a sequence has an entry for each spatial dimension."""

    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    channels: int
    groups: int
    same: bool = False
    """Whether Keras's "same" is meant, whatever the length; `pads` says nothing then."""

    @property
    def is_depthwise(self) -> bool:
        """Whether each of several channels is a group of its own."""
        return find_grouping(self.channels, self.groups) is Grouping.DEPTHWISE

    @property
    def has_no_layer(self) -> bool:
        """Whether stock layers refuse the stride: with dilation, or uneven and depthwise."""
        if max(self.stride) == 1:
            return False
        is_uneven = len(set(self.stride)) > 1
        return max(self.dilation) > 1 or (is_uneven and self.is_depthwise)

    def has_layer_of_each_group(self, shape: Sequence[int | None], taps: int) -> bool:
        """Whether each group is a layer, of an input (n, *s, c) by a kernel of so many places.

        A dynamic length is taken for a long one.
        """
        grouping = find_grouping(self.channels, self.groups)
        if grouping is not Grouping.GROUPED or self.groups > MOST_GROUPS or groups_at_once.get():
            return False
        products = taps
        for size, stride in zip(shape[1:-1], self.stride, strict=True):
            products *= FEWEST_PRODUCTS if size is None else size // stride
        return products >= FEWEST_PRODUCTS

    def is_same(self, kernel_size: Sequence[int]) -> bool:
        """Whether Keras's "same" pads exactly so at every length.

        With stride 1 it pads d (k - 1) elements in all, an odd one on the right.
        """
        if self.same:
            return True
        totals = [d * (k - 1) for d, k in zip(self.dilation, kernel_size, strict=True)]
        if max(self.stride) > 1 or max(totals) == 0:
            return False
        return list(self.pads) == split_evenly(totals)


def find_kernel_size(weight: Operand, rank: int) -> tuple[int, ...]:
    """The spatial sizes of a kernel (*k, channels, filters).

    Raises LoweringError where one of them is dynamic.
    """
    size = weight.shape[:rank]
    if None in size:
        advice = "make the dimensions of the kernel static: leave them out of dynamic_shapes"
        raise LoweringError("a convolution by a kernel of dynamic size", [("next", advice)])
    return size


def split_evenly(totals: Sequence[int]) -> list[tuple[int, int]]:
    """The pads of a padding of so many elements: half on each side, an odd one on the right."""
    return [(total // 2, total - total // 2) for total in totals]


def convolve(x: Tensor, weight: Operand, bias: Operand | None, how: Convolution) -> Tensor:
    """The convolution of (n, *s, c) by a kernel (*k, channels of a group, filters).

    Of a depthwise one by a constant the kernel is (*k, channels, filters of a channel).
    """
    is_known = weight.is_constant and None not in x.shape[1:] and not how.same
    if how.is_depthwise and x.ndim == 5 and is_known:
        return _convolve_frames(pad_spatial(x, how.pads), weight, bias, how)
    if how.has_no_layer:
        return _convolve_and_thin(x, weight, bias, how)
    padding = "same"
    kernel_size = find_kernel_size(weight, x.ndim - 2)
    if not how.is_same(kernel_size):
        x, padding = pad_spatial(x, how.pads), "valid"
    config = {"strides": how.stride, "dilation_rate": how.dilation, "padding": padding}
    if not weight.is_constant:
        return _convolve_by_op(x, weight, bias, how, config)
    held, added = split_bias(bias)
    if x.dtype == "bfloat16" and held is not None:
        # PyTorch rounds once, behind the bias; the layer would round before it too.
        x = cast(x, "float32")
    in_groups = how.has_layer_of_each_group(x.shape, math.prod(kernel_size))
    run = _convolve_groups if in_groups else _convolve_by_layer
    return add_bias(run(x, weight, held, how, config), added)


def _convolve_and_thin(
    x: Tensor, weight: Operand, bias: Operand | None, how: Convolution
) -> Tensor:
    """The convolution with stride 1, of which only every stride-th element is kept."""
    rank = x.ndim - 2
    dense = replace(how, stride=(1,) * rank, pads=[(0, 0)] * rank)
    y = convolve(pad_spatial(x, how.pads), weight, bias, dense)
    return y[(slice(None), *[slice(None, None, stride) for stride in how.stride])]


def _convolve_by_layer(
    x: Tensor, weight: Operand, bias: Operand | None, how: Convolution, config: dict[str, Any]
) -> Tensor:
    """`Conv` or `DepthwiseConv`, with a bias that it can hold."""
    rank = x.ndim - 2
    config = {"kernel_size": weight.shape[:rank], **config, "use_bias": bias is not None}
    if how.is_depthwise and rank < 3:
        layer = getattr(layers, f"DepthwiseConv{rank}D")(
            depth_multiplier=weight.shape[-1], **config
        )
    else:
        weight = weight.reshape(*weight.shape[:rank], how.channels // how.groups, -1)
        layer = getattr(layers, f"Conv{rank}D")(
            filters=weight.shape[-1], groups=how.groups, **config
        )
    return call(layer, x, kernel=weight, bias=bias)


def _convolve_groups(
    x: Tensor, weight: Operand, bias: Operand | None, how: Convolution, config: dict[str, Any]
) -> Tensor:
    """A `Conv` of each group on its channels, with its part of a bias that a layer can hold."""
    inputs = ops.split(x, how.groups, axis=-1)
    kernels = _narrow_filters(weight, how.groups)
    biases: list[Operand | None] = [None] * how.groups
    if bias is not None:
        biases = [*_narrow_filters(bias, how.groups)]
    alone = replace(how, channels=how.channels // how.groups, groups=1)
    groups = zip(inputs, kernels, biases, strict=True)
    return ops.concatenate([_convolve_by_layer(*group, alone, config) for group in groups], axis=-1)


def _narrow_filters(weight: Operand, groups: int) -> list[Operand]:
    """The entries of the last dimension that belong to each group."""
    last, filters = weight.ndim - 1, weight.shape[-1] // groups
    return [weight.narrow(last, k * filters, (k + 1) * filters) for k in range(groups)]


def _convolve_by_op(
    x: Tensor, weight: Operand, bias: Operand | None, how: Convolution, config: dict[str, Any]
) -> Tensor:
    """`keras.ops.conv` by a kernel that the model computes: in a Functional model one a group."""
    has_channels = weight.shape[-2] == how.channels
    is_even = len(set(how.dilation)) == 1
    if how.groups == 1:
        y = ops.conv(x, weight, **config)
    elif how.is_depthwise and has_channels and is_even and x.ndim < 5:
        # Numbers, as the op does not take the lists that a reloaded model has for tuples.
        numbers = {"strides": how.stride[0], "dilation_rate": how.dilation[0]}
        y = ops.depthwise_conv(x, weight, padding=config["padding"], **numbers)
    else:
        inputs = ops.split(x, how.groups, axis=-1)
        kernels = _split_kernel(weight, how)
        parts = [ops.conv(*pair, **config) for pair in zip(inputs, kernels, strict=True)]
        y = ops.concatenate(parts, axis=-1)
    return add_bias(y, bias)


def _split_kernel(weight: Operand, how: Convolution) -> list[Tensor]:
    """The (*k, channels of a group, filters of a group) of each group."""
    each = how.channels // how.groups
    if weight.shape[-2] != each:
        weight = weight.reshape(*weight.shape[:-2], each, -1)
    return ops.split(weight, how.groups, axis=-1)


def _convolve_frames(x: Tensor, weight: Operand, bias: Operand | None, how: Convolution) -> Tensor:
    """A depthwise convolution in three dimensions by those of the frames, of static sizes.

    There is one for each place of the kernel in depth, and their results are added up. Keras's
    Conv3D of so many groups is compiled by XLA, and 13 to 100 times as slow on a processor
    (TensorFlow 2.21).
    """
    _, depth, *frame = x.shape
    frames = ops.reshape(x, (-1, *frame))
    within = replace(how, stride=how.stride[1:], pads=[(0, 0), (0, 0)], dilation=how.dilation[1:])
    kernels = unstack(weight)
    windows = depth - how.dilation[0] * (len(kernels) - 1)
    parts = []
    for tap, kernel in enumerate(kernels):
        y = convolve(frames, kernel, bias if tap == 0 else None, within)
        videos = ops.reshape(y, (-1, depth, *y.shape[1:]))
        start = tap * how.dilation[0]
        parts.append(videos[:, start : start + windows : how.stride[0]])
    return reduce(ops.add, parts)


def unstack(weight: Operand) -> list[Operand]:
    """The entries of the first dimension."""
    entry = weight.shape[1:]
    return [weight.narrow(0, k, k + 1).reshape(*entry) for k in range(weight.shape[0])]
