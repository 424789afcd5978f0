"""Padding and cropping: `aten.pad` in all its modes, and the zero padding that convolution and pooling share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from torch2keras.errors import LoweringError
from torch2keras.ops.pad_modes import circular_pad, reflect_pad, replicate_pad
from torch2keras.recorder import Tensor, layers, ops
from torch2keras.registry import lowering

aten = torch.ops.aten

Pads = Sequence[tuple[int, int]]
"""For each spatial dimension the elements added on the left and on the right; negative ones are removed."""
Widths = Mapping[int, tuple[int, int]]
"""The same by stored axis."""


def tuple_of(value: Any, rank: int) -> tuple[int, ...]:
    """A number for each spatial dimension; PyTorch takes one for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * rank if len(values) == 1 else values


def zero_pad(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """Pad (n, *s, c) with a constant, or crop it where a number is negative."""
    return constant_pad(x, dict(enumerate(pads, start=1)), value)


def crop(x: Tensor, pads: Pads) -> Tensor:
    """Remove elements of (n, *s, c) at the ends."""
    return constant_pad(x, {axis: (-left, -right) for axis, (left, right) in enumerate(pads, start=1)})


def constant_pad(x: Tensor, widths: Widths, value: float = 0) -> Tensor:
    """Crop where a width is negative, pad with a constant where it is positive: stock layers where they can."""
    x = cropped(x, widths)
    widths = positive(widths)
    if not widths:
        return x
    every = [widths.get(axis, (0, 0)) for axis in range(x.ndim)]
    if value == 0 and "float" in x.dtype and _inside(x, widths):
        rank = x.ndim - 2
        return getattr(layers, f"ZeroPadding{rank}D")(padding=every[1] if rank == 1 else tuple(every[1:-1]))(x)
    number = value if "float" in x.dtype else (bool(value) if x.dtype == "bool" else int(value))
    return ops.pad(x, every, **({"constant_values": number} if number else {}))


def cropped(x: Tensor, widths: Widths) -> Tensor:
    """Remove as many elements at the ends as a width is negative: a `Cropping` layer, or a slice."""
    cuts = {axis: (max(0, -left), max(0, -right)) for axis, (left, right) in widths.items() if min(left, right) < 0}
    if not cuts:
        return x
    every = [cuts.get(axis, (0, 0)) for axis in range(x.ndim)]
    if "float" in x.dtype and _inside(x, cuts):
        rank = x.ndim - 2
        return getattr(layers, f"Cropping{rank}D")(cropping=every[1] if rank == 1 else tuple(every[1:-1]))(x)
    return x[tuple(slice(left or None, -right or None) for left, right in every)]


def positive(widths: Widths) -> dict[int, tuple[int, int]]:
    """What is added, by axis."""
    return {axis: (max(0, left), max(0, right)) for axis, (left, right) in widths.items() if max(left, right) > 0}


def _inside(x: Tensor, axes: Mapping[int, Any]) -> bool:
    """Whether a layer for (n, *s, c) reaches these axes."""
    return 3 <= x.ndim <= 5 and all(0 < axis < x.ndim - 1 for axis in axes)


def padded_dims(name: str) -> Callable[[Mapping[str, Any]], str]:
    """The declaration of an op that pads the last dimensions, as many as its list of widths has pairs."""

    def declare(args: Mapping[str, Any]) -> str:
        dims = " ".join(f"s{i}'" for i in range(len(args[name]) // 2))
        return f"... {dims} -> ... {dims}"

    return declare


def widths_of(pad: Sequence[Any], axes: Sequence[int]) -> Widths:
    """PyTorch's list, the last dimension first, by stored axis. Raises LoweringError for a width that is not known."""
    if not all(isinstance(p, int) for p in pad):
        raise LoweringError(
            f"a padding that depends on a dynamic size: {list(pad)}",
            [("next", "make the dimension static: leave it out of dynamic_shapes")],
        )
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    return {axis: pair for axis, pair in zip(axes, reversed(pairs), strict=True) if any(pair)}


def wrap(x: Tensor, widths: Widths) -> Tensor:
    """Circular padding; the wrap is that of what is left after cropping."""
    return circular_pad(cropped(x, widths), positive(widths))


def reflect(x: Tensor, widths: Widths) -> Tensor:
    """Reflection, which reaches what is then cropped."""
    return cropped(reflect_pad(x, positive(widths)), widths)


def replicate(x: Tensor, widths: Widths) -> Tensor:
    """The first and the last element repeated, even where they are then cropped."""
    return cropped(replicate_pad(x, positive(widths)), widths)


MODES: dict[str, Callable[[Tensor, Widths], Tensor]] = {"reflect": reflect, "replicate": replicate, "circular": wrap}


@lowering(aten.pad.default, axes=padded_dims("pad"))
def pad(x, pad, mode="constant", value=None, *, s):
    """`ZeroPadding`; other constants and reflection as `ops.pad`, the other modes as slices."""
    widths = widths_of(pad, s)
    return constant_pad(x, widths, value or 0) if mode == "constant" else MODES[mode](x, widths)


@lowering(aten.constant_pad_nd.default, axes=padded_dims("pad"))
def constant_pad_nd(x, pad, value=0, *, s):
    """`ZeroPadding`, or `ops.pad` for another constant."""
    return constant_pad(x, widths_of(pad, s), value)


@lowering(
    aten.reflection_pad1d.default, aten.reflection_pad2d.default, aten.reflection_pad3d.default,
    axes=padded_dims("padding"),
)  # fmt: skip
def reflection_pad(x, padding, *, s):
    """`ops.pad` with mode "reflect"."""
    return reflect(x, widths_of(padding, s))


@lowering(
    aten.replication_pad1d.default, aten.replication_pad2d.default, aten.replication_pad3d.default,
    axes=padded_dims("padding"),
)  # fmt: skip
def replication_pad(x, padding, *, s):
    """The edge slices repeated and concatenated."""
    return replicate(x, widths_of(padding, s))


@lowering(aten._pad_circular.default, axes=padded_dims("pad"))
def pad_circular(x, pad, *, s):
    """The slices of the other end concatenated."""
    return wrap(x, widths_of(pad, s))
