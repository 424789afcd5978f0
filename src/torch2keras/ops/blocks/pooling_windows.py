"""The windows of pooling, and the places of their extremes."""

from __future__ import annotations

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
from torch2keras.ops.blocks.padding import Pads, zero_pad
from torch2keras.ops.blocks.slices import index_along

MOST_TAPS = 64
"""Windows of more elements are not searched for the place of their largest one."""


@dataclass(frozen=True)
class Windows:
    """The windows of a pooling: a number for each spatial dimension."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil: bool

    @property
    def reach(self) -> tuple[int, ...]:
        """How many elements a window spans."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))

    def ragged(self) -> Pads:
        """What `ceil_mode` needs on the right beside the padding, at any length.

        A window may hang over the right end by less than a stride, if it does not start behind the last element.
        """
        if not self.ceil:
            return [(0, 0)] * len(self.kernel)
        rows = zip(self.reach, self.stride, self.padding, strict=True)
        return [(0, max(0, min(p + s - 1, r - 1) - p)) for r, s, p in rows]

    def pads(self) -> Pads:
        """Both together."""
        return [(p, p + extra) for p, (_, extra) in zip(self.padding, self.ragged(), strict=True)]

    def same(self) -> bool:
        """Whether "same" pads as much at every length: odd kernels with stride 1, and halving with ceil_mode."""
        if max(self.dilation) > 1:
            return False
        rows = list(zip(self.kernel, self.stride, self.padding, strict=True))
        centred = all(s == 1 and 2 * p == k - 1 for k, s, p in rows) and max(self.kernel) > 1
        return centred or (self.ceil and all((k, s, p) == (2, 2, 0) for k, s, p in rows))


def places_of_max(x: Tensor, w: Windows, counts: Sequence[Size]) -> Tensor:
    """Where in the flat spatial dimensions of `x` each window has its largest element, the first of equal ones.

    `counts` is how many windows there are along each of them.
    """
    taps = [zero_pad(x, w.pads(), lowest(x.dtype))]
    for axis, (k, s, d) in enumerate(zip(w.kernel, w.stride, w.dilation, strict=True), start=1):
        last = d * (k - 1)
        taps = [
            t[index_along(axis, slice(j, j - last or None, s))]
            for t in taps
            for j in range(0, last + 1, d)
        ]
    best, rank = (
        cast(find_extreme(ops.argmax, ops.stack(taps, axis=-1), -1, keepdim=False), "int32"),
        len(counts),
    )
    flat: Any = None
    for axis, (windows_there, size) in enumerate(zip(counts, sizes_of(x)[1:-1], strict=True)):
        starts = count_positions(windows_there) * w.stride[axis] - w.padding[axis]
        tap = ops.mod(ops.floor_divide(best, math.prod(w.kernel[axis + 1 :])), w.kernel[axis])
        at = tap * w.dilation[axis] + ops.reshape(
            starts, (1,) * (axis + 1) + (-1,) + (1,) * (rank - axis)
        )
        flat = at if flat is None else flat * size_tensor(size) + at
    return flat


def lowest(dtype: str) -> float:
    """What every other number is at least."""
    return float("-inf") if "float" in dtype else torch.iinfo(getattr(torch, dtype)).min


def pooling(kind: str, x: Tensor, w: Windows, padding: str = "valid") -> Tensor:
    """One of Keras's layers of pooling."""
    rank = x.ndim - 2
    if "float" not in x.dtype:
        raise LoweringError(
            f"pooling of {x.dtype}: PyTorch cuts the means off to whole numbers, stock Keras has none of integers",
            [("next", "make floats of the input before it is pooled")],
        )
    size, strides = (w.kernel[0], w.stride[0]) if rank == 1 else (w.kernel, w.stride)
    return getattr(layers, f"{kind}Pooling{rank}D")(
        pool_size=size, strides=strides, padding=padding
    )(x)
