"""Padding and cropping: `aten.pad` in all its modes, and the ops that have one mode each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import Tensor
from torch2keras.ops.blocks.padding import Widths, pad_constant, reflect, replicate, wrap

aten = torch.ops.aten


def declare_padding(argument: str) -> Callable[[Mapping[str, Any]], str]:
    """The declaration of an op that pads as many last dimensions as there are pairs of widths."""

    def declare(args: Mapping[str, Any]) -> str:
        """Each padded dimension changes its size, so it is primed."""
        dims = " ".join(f"s{i}'" for i in range(len(args[argument]) // 2))
        return f"... {dims} -> ... {dims}"

    return declare


def as_widths(pad: Sequence[Any], axes: Sequence[int]) -> Widths:
    """PyTorch's flat list of widths, whose last dimension comes first, by stored axis.

    Raises LoweringError where a width is not known at conversion.
    """
    if not all(isinstance(p, int) for p in pad):
        raise LoweringError(
            f"a padding that depends on a dynamic size: {list(pad)}",
            [("next", "make the dimension static: leave it out of dynamic_shapes")],
        )
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    return {axis: pair for axis, pair in zip(axes, reversed(pairs), strict=True) if any(pair)}


MODES: dict[str, Callable[[Tensor, Widths], Tensor]] = {
    "reflect": reflect,
    "replicate": replicate,
    "circular": wrap,
}


@lowering(aten.pad.default, axes=declare_padding("pad"))
def pad(x, pad, mode="constant", value=None, *, s):
    """`ZeroPadding`; other constants and reflection as `ops.pad`, the other modes as slices."""
    widths = as_widths(pad, s)
    if mode == "constant":
        return pad_constant(x, widths, value or 0)
    return MODES[mode](x, widths)


@lowering(aten.constant_pad_nd.default, axes=declare_padding("pad"))
def constant_pad(x, pad, value=0, *, s):
    """`ZeroPadding`, or `ops.pad` for another constant."""
    return pad_constant(x, as_widths(pad, s), value)


@lowering(
    aten.reflection_pad1d.default, aten.reflection_pad2d.default, aten.reflection_pad3d.default,
    axes=declare_padding("padding"),
)  # fmt: skip
def reflection_pad(x, padding, *, s):
    """`ops.pad` with mode "reflect"."""
    return reflect(x, as_widths(padding, s))


@lowering(
    aten.replication_pad1d.default, aten.replication_pad2d.default, aten.replication_pad3d.default,
    axes=declare_padding("padding"),
)  # fmt: skip
def replication_pad(x, padding, *, s):
    """The edge slices repeated and concatenated."""
    return replicate(x, as_widths(padding, s))


@lowering(aten._pad_circular.default, axes=declare_padding("pad"))
def circular_pad(x, pad, *, s):
    """The slices of the other end concatenated."""
    return wrap(x, as_widths(pad, s))
