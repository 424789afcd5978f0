"""Padding and cropping: `aten.pad` in all its modes, and the zero padding that convolution and pooling share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import Tensor
from torch2keras.ops.blocks.padding import Widths, constant_pad, reflect, replicate, wrap

aten = torch.ops.aten


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


MODES: dict[str, Callable[[Tensor, Widths], Tensor]] = {
    "reflect": reflect,
    "replicate": replicate,
    "circular": wrap,
}


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
