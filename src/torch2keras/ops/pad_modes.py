"""Padding with what the tensor holds: reflected, replicated, circular.

`ops.pad` has the modes "edge" and "wrap" on JAX alone, so they are slices that are concatenated. Widths are positive
and by stored axis; lengths may be dynamic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch2keras.recorder import Tensor, ops

Widths = Mapping[int, tuple[int, int]]
Edge = Callable[[Tensor, int, int], Tensor]
"""(x, axis, width) -> what is put beside x."""


def reflect_pad(x: Tensor, widths: Widths) -> Tensor:
    """The neighbours of each end mirrored at it, without the end itself."""
    if not widths or x.ndim > 4:  # PyTorch, as a backend, reflects at most three dimensions of a tensor
        return _beside(x, widths, _mirrored_left, _mirrored_right)
    every = [widths.get(axis, (0, 0)) for axis in range(x.ndim)]
    return ops.pad(x, every, mode="reflect")


def replicate_pad(x: Tensor, widths: Widths) -> Tensor:
    """The first and the last element repeated."""
    return _beside(x, widths, _first, _last)


def circular_pad(x: Tensor, widths: Widths) -> Tensor:
    """The end before the beginning and the beginning behind the end."""
    return _beside(x, widths, _end, _beginning)


def _beside(x: Tensor, widths: Widths, left: Edge, right: Edge) -> Tensor:
    for axis, (before, after) in widths.items():
        parts = [left(x, axis, before)] if before else []
        parts += [x, right(x, axis, after)] if after else [x]
        x = ops.concatenate(parts, axis=axis)
    return x


def along(axis: int, part: slice) -> tuple[slice, ...]:
    """The index that takes a part of one axis."""
    return (*(slice(None),) * axis, part)


def _mirrored_left(x: Tensor, axis: int, width: int) -> Tensor:
    return ops.flip(x[along(axis, slice(1, width + 1))], axis=axis)


def _mirrored_right(x: Tensor, axis: int, width: int) -> Tensor:
    return ops.flip(x[along(axis, slice(-width - 1, -1))], axis=axis)


def _first(x: Tensor, axis: int, width: int) -> Tensor:
    return _several(x[along(axis, slice(0, 1))], axis, width)


def _last(x: Tensor, axis: int, width: int) -> Tensor:
    return _several(x[along(axis, slice(-1, None))], axis, width)


def _several(x: Tensor, axis: int, times: int) -> Tensor:
    return x if times == 1 else ops.repeat(x, times, axis=axis)


def _end(x: Tensor, axis: int, width: int) -> Tensor:
    return x[along(axis, slice(-width, None))]


def _beginning(x: Tensor, axis: int, width: int) -> Tensor:
    return x[along(axis, slice(0, width))]
