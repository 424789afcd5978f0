"""Zero padding and cropping of channels-last tensors, shared by convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch2keras.recorder import Tensor, layers, ops

Pads = Sequence[tuple[int, int]]
"""For each spatial dimension the elements added (or removed) on the left and on the right."""


def tuple_of(value: Any, rank: int) -> tuple[int, ...]:
    """A number for each spatial dimension; PyTorch takes one for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * rank if len(values) == 1 else values


def zero_pad(x: Tensor, pads: Pads, value: float = 0.0) -> Tensor:
    """Pad (n, *s, c) with a constant: a `ZeroPadding` layer where it is zero."""
    if not any(max(p) for p in pads):
        return x
    if value:
        return ops.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value)  # type: ignore[no-any-return]
    rank = len(pads)
    return getattr(layers, f"ZeroPadding{rank}D")(padding=pads[0] if rank == 1 else tuple(pads))(x)  # type: ignore[no-any-return]


def crop(x: Tensor, pads: Pads) -> Tensor:
    """Remove elements of (n, *s, c) at the ends: a `Cropping` layer."""
    if not any(max(p) for p in pads):
        return x
    rank = len(pads)
    return getattr(layers, f"Cropping{rank}D")(cropping=pads[0] if rank == 1 else tuple(pads))(x)  # type: ignore[no-any-return]
