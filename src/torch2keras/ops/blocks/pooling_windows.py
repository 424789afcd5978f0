"""The windows of pooling, and the positions of their largest elements."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.lower.dynamic_sizes import count_positions, size_tensor, sizes_of
from torch2keras.lower.recorder import Tensor, cast, layers, ops
from torch2keras.ops.blocks.extremes import find_extreme
from torch2keras.ops.blocks.padding import Pads, pad_spatial
from torch2keras.ops.blocks.slices import window_slices

MOST_TAPS = 64
"""Windows of more elements are not searched for the position of their largest one."""


@dataclass(frozen=True)
class Windows:
    """The windows of a pooling: in each tuple one number for each spatial dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil: bool

    @property
    def reach(self) -> tuple[int, ...]:
        """How many elements a window spans."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))

    @property
    def overhang(self) -> tuple[int, ...]:
        """How many elements `ceil_mode` adds on the right of the padding, at any length.

        A window may hang over the right end by less than a stride, if it does not start behind the
        last element.
        """
        if not self.ceil:
            return (0,) * len(self.kernel)
        rows = zip(self.reach, self.stride, self.padding, strict=True)
        return tuple(max(0, min(p + s - 1, r - 1) - p) for r, s, p in rows)

    @property
    def pads(self) -> Pads:
        """The padding together with the overhang."""
        return [(p, p + more) for p, more in zip(self.padding, self.overhang, strict=True)]

    @property
    def is_same(self) -> bool:
        """Whether Keras's "same" pads as much at every length.

        It does for odd kernels with stride 1, and for halving with `ceil_mode`.
        """
        if max(self.dilation) > 1:
            return False
        rows = list(zip(self.kernel, self.stride, self.padding, strict=True))
        halves = self.ceil and all(row == (2, 2, 0) for row in rows)
        is_centred = all(s == 1 and 2 * p == k - 1 for k, s, p in rows)
        return halves or (is_centred and max(self.kernel) > 1)


def find_max_positions(x: Tensor, windows: Windows, counts: Sequence[Size]) -> Tensor:
    """The position of each window's largest element, the first of equal ones.

    `x` is (n, *s, c) and positions are those in its flat spatial dimensions, int32 of the shape
    (n, *counts, c): `counts` says how many windows there are along each of these dimensions.
    """
    best = find_extreme(ops.argmax, ops.stack(_taps(x, windows), axis=-1), -1, keepdim=False)
    best = cast(best, "int32")
    flat: Any = None
    for axis, size in enumerate(sizes_of(x)[1:-1]):
        position = _position_along(axis, best, windows, counts)
        flat = position if flat is None else flat * size_tensor(size) + position
    return flat


def _taps(x: Tensor, windows: Windows) -> list[Tensor]:
    """For each element of a window, in row-major order, what all windows have there."""
    x = pad_spatial(x, windows.pads, lowest_number(x.dtype))
    slices = map(window_slices, windows.kernel, windows.stride, windows.dilation)
    places = itertools.product(*slices)
    return [x[(slice(None), *place)] for place in places]


def _position_along(axis: int, best: Tensor, windows: Windows, counts: Sequence[Size]) -> Tensor:
    """The positions along one spatial dimension of the elements that `best` numbers in windows."""
    starts = count_positions(counts[axis]) * windows.stride[axis] - windows.padding[axis]
    behind = math.prod(windows.kernel[axis + 1 :])
    tap = ops.mod(ops.floor_divide(best, behind), windows.kernel[axis])
    shape = [1] * (len(counts) + 2)
    shape[axis + 1] = -1
    return tap * windows.dilation[axis] + starts.reshape(*shape)


def lowest_number(dtype: str) -> float:
    """The number that no other one of this dtype is below."""
    if "float" in dtype:
        return -math.inf
    return torch.iinfo(getattr(torch, dtype)).min


def apply_pooling(kind: str, x: Tensor, windows: Windows, padding: str = "valid") -> Tensor:
    """One of Keras's layers of pooling, "Average" or "Max", on (n, *s, c).

    Raises LoweringError where `x` holds integers.
    """
    if not x.is_float:
        raise LoweringError(
            f"pooling of {x.dtype}: PyTorch cuts the means off to whole numbers, "
            "stock Keras has none of integers",
            [("next", "make floats of the input before it is pooled")],
        )
    rank = x.ndim - 2
    size: Any = windows.kernel
    strides: Any = windows.stride
    if rank == 1:
        (size,), (strides,) = size, strides
    layer = getattr(layers, f"{kind}Pooling{rank}D")
    return layer(pool_size=size, strides=strides, padding=padding)(x)
