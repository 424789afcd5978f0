"""Decompositions of ops for which PyTorch has none that can be used: they read memory, or write where a mask says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

aten = torch.ops.aten


def as_strided(
    x: torch.Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> torch.Tensor:
    """Elements of `x` looked up by their number in memory.

    Raises NotImplementedError where memory is not in the order of the dimensions, or begins before `x`.
    """
    if not x.is_contiguous() or x.storage_offset() != 0:
        raise NotImplementedError
    places = torch.tensor(storage_offset or 0)
    for count, step in zip(size, stride, strict=True):
        places = places.unsqueeze(-1) + step * torch.arange(count)
    return x.reshape(-1)[places]


def masked_scatter(x: torch.Tensor, mask: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """The next element of `source` at each place that the mask names, counted in the order of the dimensions."""
    x, mask = torch.broadcast_tensors(x, mask)  # type: ignore[no-untyped-call]
    numbers = (mask.reshape(-1).cumsum(0) - 1).clamp(min=0)
    return torch.where(mask, source.reshape(-1)[numbers].reshape(x.shape), x)


REWRITES: Mapping[torch._ops.OpOverload, Callable[..., Any]] = {
    aten.as_strided.default: as_strided,
    aten.masked_scatter.default: masked_scatter,
}
