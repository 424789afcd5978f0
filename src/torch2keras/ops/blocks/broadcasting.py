"""A vector along one dimension of a tensor."""

from __future__ import annotations

from collections.abc import Sequence

from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, ops


def reshape_along(weight: Weight | Tensor, axes: Sequence[int], ndim: int) -> Weight | Tensor:
    """A weight of the stored dimensions `axes`, with ones for the other dimensions, so that it broadcasts."""
    sizes = dict(zip(sorted(axes), weight.shape, strict=True))
    shape = [sizes.get(axis) or 1 for axis in range(ndim)]
    return weight.reshape(*shape) if isinstance(weight, Weight) else ops.reshape(weight, shape)
