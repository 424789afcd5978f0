"""Padding and cropping along stored dimensions.

`ops.pad` has the modes "edge" and "wrap" on JAX alone, so these paddings are slices that are
concatenated. Lengths may be dynamic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch2keras.lower.recorder import Tensor, layers, ops
from torch2keras.ops.blocks.slices import index_along

Pads = Sequence[tuple[int, int]]
"""For each spatial dimension of (n, *s, c) the elements added on the left and on the right.

A negative number removes elements.
"""

Widths = Mapping[int, tuple[int, int]]
"""The same by stored axis."""

Edge = Callable[[Tensor, int, int], Tensor]
"""(x, axis, width) -> what is put beside x."""


def as_tuple(value: Any, rank: int) -> tuple[int, ...]:
    """One number for each of `rank` spatial dimensions; PyTorch takes a single one for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if len(values) == 1:
        return values * rank
    return values


def pad_spatial(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """Pad the spatial dimensions of (n, *s, c) with a constant; a negative pad crops them."""
    return pad_constant(x, dict(enumerate(pads, start=1)), value)


def pad_constant(x: Tensor, widths: Widths, value: float = 0) -> Tensor:
    """Pad with a constant, crop where a width is negative; by stock layers where these can."""
    x = crop(x, widths)
    widths = keep_positive(widths)
    if not widths:
        return x
    if value == 0 and x.is_float and _are_spatial(x, widths):
        return _apply_layer("ZeroPadding", "padding", x, widths)
    number = _number_of_dtype(value, x.dtype)
    if number:
        return ops.pad(x, _pairs(x, widths), constant_values=number)
    return ops.pad(x, _pairs(x, widths))


def crop(x: Tensor, widths: Widths) -> Tensor:
    """Remove elements at the ends where a width is negative: a `Cropping` layer, or a slice."""
    cuts: dict[int, tuple[int, int]] = {}
    for axis, (left, right) in widths.items():
        if min(left, right) < 0:
            cuts[axis] = max(0, -left), max(0, -right)
    if not cuts:
        return x
    if x.is_float and _are_spatial(x, cuts):
        return _apply_layer("Cropping", "cropping", x, cuts)
    return x[tuple(slice(left or None, -right or None) for left, right in _pairs(x, cuts))]


def keep_positive(widths: Widths) -> dict[int, tuple[int, int]]:
    """The widths without their negative numbers: what is added."""
    added: dict[int, tuple[int, int]] = {}
    for axis, (left, right) in widths.items():
        if max(left, right) > 0:
            added[axis] = max(0, left), max(0, right)
    return added


def _are_spatial(x: Tensor, widths: Widths) -> bool:
    """Whether a layer for (n, *s, c) of one to three spatial dimensions reaches these axes."""
    return 3 <= x.ndim <= 5 and all(0 < axis < x.ndim - 1 for axis in widths)


def _pairs(x: Tensor, widths: Widths) -> list[tuple[int, int]]:
    """The widths of all axes."""
    return [widths.get(axis, (0, 0)) for axis in range(x.ndim)]


def _apply_layer(kind: str, argument: str, x: Tensor, widths: Widths) -> Tensor:
    """`ZeroPadding1D` or `Cropping1D`, or that of a higher rank; of rank 1 it takes one pair."""
    spatial = _pairs(x, widths)[1:-1]
    config = spatial[0] if len(spatial) == 1 else tuple(spatial)
    return getattr(layers, f"{kind}{len(spatial)}D")(**{argument: config})(x)


def _number_of_dtype(value: float, dtype: str) -> float:
    """The constant as the dtype holds it."""
    if "float" in dtype:
        return value
    return bool(value) if dtype == "bool" else int(value)


def wrap(x: Tensor, widths: Widths) -> Tensor:
    """Circular padding, which wraps what is left after cropping."""
    x = crop(x, widths)
    return _extend(x, keep_positive(widths), _take_end, _take_beginning)


def reflect(x: Tensor, widths: Widths) -> Tensor:
    """Padding by reflection, which reaches what is then cropped."""
    return crop(_reflect(x, keep_positive(widths)), widths)


def _reflect(x: Tensor, widths: Widths) -> Tensor:
    """The neighbours of each end mirrored at it, without the end itself."""
    # PyTorch, as a backend of Keras, reflects at most three dimensions of a tensor.
    if not widths or x.ndim > 4:
        return _extend(x, widths, _mirror_beginning, _mirror_end)
    return ops.pad(x, _pairs(x, widths), mode="reflect")


def replicate(x: Tensor, widths: Widths) -> Tensor:
    """Padding by repeating the first and the last element, even where they are then cropped."""
    return crop(_extend(x, keep_positive(widths), _repeat_first, _repeat_last), widths)


def _extend(x: Tensor, widths: Widths, left: Edge, right: Edge) -> Tensor:
    """Put edges beside `x`, one axis after the other."""
    for axis, (before, after) in widths.items():
        parts = [x]
        if before:
            parts.insert(0, left(x, axis, before))
        if after:
            parts.append(right(x, axis, after))
        x = ops.concatenate(parts, axis=axis)
    return x


def _mirror_beginning(x: Tensor, axis: int, width: int) -> Tensor:
    return ops.flip(x[index_along(axis, slice(1, width + 1))], axis=axis)


def _mirror_end(x: Tensor, axis: int, width: int) -> Tensor:
    return ops.flip(x[index_along(axis, slice(-width - 1, -1))], axis=axis)


def _repeat_first(x: Tensor, axis: int, width: int) -> Tensor:
    return _repeat(x[index_along(axis, slice(0, 1))], axis, width)


def _repeat_last(x: Tensor, axis: int, width: int) -> Tensor:
    return _repeat(x[index_along(axis, slice(-1, None))], axis, width)


def _repeat(x: Tensor, axis: int, times: int) -> Tensor:
    return x if times == 1 else ops.repeat(x, times, axis=axis)


def _take_end(x: Tensor, axis: int, width: int) -> Tensor:
    return x[index_along(axis, slice(-width, None))]


def _take_beginning(x: Tensor, axis: int, width: int) -> Tensor:
    return x[index_along(axis, slice(0, width))]
