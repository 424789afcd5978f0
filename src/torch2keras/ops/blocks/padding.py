"""Padding with what the tensor holds: reflected, replicated, circular.

`ops.pad` has the modes "edge" and "wrap" on JAX alone, so they are slices that are concatenated. Widths are positive
and by stored axis; lengths may be dynamic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch2keras.lower.recorder import Tensor, layers, ops
from torch2keras.ops.blocks.slices import index_along

Pads = Sequence[tuple[int, int]]
"""For each spatial dimension the elements added on the left and on the right; negative ones are removed."""


Widths = Mapping[int, tuple[int, int]]
"""The same by stored axis."""


Edge = Callable[[Tensor, int, int], Tensor]
"""(x, axis, width) -> what is put beside x."""


def reflect_pad(x: Tensor, widths: Widths) -> Tensor:
    """The neighbours of each end mirrored at it, without the end itself."""
    if (
        not widths or x.ndim > 4
    ):  # PyTorch, as a backend, reflects at most three dimensions of a tensor
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


def _mirrored_left(x: Tensor, axis: int, width: int) -> Tensor:
    return ops.flip(x[index_along(axis, slice(1, width + 1))], axis=axis)


def _mirrored_right(x: Tensor, axis: int, width: int) -> Tensor:
    return ops.flip(x[index_along(axis, slice(-width - 1, -1))], axis=axis)


def _first(x: Tensor, axis: int, width: int) -> Tensor:
    return _several(x[index_along(axis, slice(0, 1))], axis, width)


def _last(x: Tensor, axis: int, width: int) -> Tensor:
    return _several(x[index_along(axis, slice(-1, None))], axis, width)


def _several(x: Tensor, axis: int, times: int) -> Tensor:
    return x if times == 1 else ops.repeat(x, times, axis=axis)


def _end(x: Tensor, axis: int, width: int) -> Tensor:
    return x[index_along(axis, slice(-width, None))]


def _beginning(x: Tensor, axis: int, width: int) -> Tensor:
    return x[index_along(axis, slice(0, width))]


def tuple_of(value: Any, rank: int) -> tuple[int, ...]:
    """A number for each spatial dimension; PyTorch takes one for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * rank if len(values) == 1 else values


def zero_pad(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """Pad (n, *s, c) with a constant, or crop it where a number is negative."""
    return constant_pad(x, dict(enumerate(pads, start=1)), value)


def crop(x: Tensor, pads: Pads) -> Tensor:
    """Remove elements of (n, *s, c) at the ends."""
    return constant_pad(
        x, {axis: (-left, -right) for axis, (left, right) in enumerate(pads, start=1)}
    )


def constant_pad(x: Tensor, widths: Widths, value: float = 0) -> Tensor:
    """Crop where a width is negative, pad with a constant where it is positive: stock layers where they can."""
    x = cropped(x, widths)
    widths = positive(widths)
    if not widths:
        return x
    every = [widths.get(axis, (0, 0)) for axis in range(x.ndim)]
    if value == 0 and "float" in x.dtype and _inside(x, widths):
        rank = x.ndim - 2
        return getattr(layers, f"ZeroPadding{rank}D")(
            padding=every[1] if rank == 1 else tuple(every[1:-1])
        )(x)
    number = value if "float" in x.dtype else (bool(value) if x.dtype == "bool" else int(value))
    return ops.pad(x, every, **({"constant_values": number} if number else {}))


def cropped(x: Tensor, widths: Widths) -> Tensor:
    """Remove as many elements at the ends as a width is negative: a `Cropping` layer, or a slice."""
    cuts = {
        axis: (max(0, -left), max(0, -right))
        for axis, (left, right) in widths.items()
        if min(left, right) < 0
    }
    if not cuts:
        return x
    every = [cuts.get(axis, (0, 0)) for axis in range(x.ndim)]
    if "float" in x.dtype and _inside(x, cuts):
        rank = x.ndim - 2
        return getattr(layers, f"Cropping{rank}D")(
            cropping=every[1] if rank == 1 else tuple(every[1:-1])
        )(x)
    return x[tuple(slice(left or None, -right or None) for left, right in every)]


def positive(widths: Widths) -> dict[int, tuple[int, int]]:
    """What is added, by axis."""
    return {
        axis: (max(0, left), max(0, right))
        for axis, (left, right) in widths.items()
        if max(left, right) > 0
    }


def _inside(x: Tensor, axes: Mapping[int, Any]) -> bool:
    """Whether a layer for (n, *s, c) reaches these axes."""
    return 3 <= x.ndim <= 5 and all(0 < axis < x.ndim - 1 for axis in axes)


def wrap(x: Tensor, widths: Widths) -> Tensor:
    """Circular padding; the wrap is that of what is left after cropping."""
    return circular_pad(cropped(x, widths), positive(widths))


def reflect(x: Tensor, widths: Widths) -> Tensor:
    """Reflection, which reaches what is then cropped."""
    return cropped(reflect_pad(x, positive(widths)), widths)


def replicate(x: Tensor, widths: Widths) -> Tensor:
    """The first and the last element repeated, even where they are then cropped."""
    return cropped(replicate_pad(x, positive(widths)), widths)
