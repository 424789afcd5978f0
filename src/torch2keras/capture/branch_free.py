"""Functions of PyTorch that branch on values, restated without branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch.nn.modules import transformer
from torch.overrides import TorchFunctionMode


def cov(
    x: torch.Tensor, *, correction: Any = 1, fweights: Any = None, aweights: Any = None
) -> torch.Tensor:
    """`torch.cov`, whose divisor is not below zero (aten/src/ATen/native/Correlation.cpp)."""
    x = x.reshape(1, -1) if x.ndim < 2 else x
    given = [w for w in (fweights, aweights) if w is not None]
    weight = given[0] if len(given) == 1 else fweights * aweights if given else None
    total = torch.tensor(x.shape[1]) if weight is None else weight.sum()
    weighted = x if weight is None else x * weight
    less = (
        correction * (weight * aweights).sum() / total
        if aweights is not None and correction
        else correction
    )
    x = x - (weighted.sum(1) / total).unsqueeze(1)
    weighted = x if weight is None else x * weight
    result: torch.Tensor = (x @ weighted.mT / (total - less).clamp(min=0)).squeeze()
    return result


def corrcoef(x: torch.Tensor) -> torch.Tensor:
    """`torch.corrcoef`."""
    c = cov(x)
    if c.ndim == 0:
        return c / c
    deviation = c.diag().sqrt()
    return (c / deviation.unsqueeze(1) / deviation).clip(-1, 1)


def narrow(x: torch.Tensor, dim: int, start: Any, length: Any) -> torch.Tensor:
    """`torch.narrow` from a computed position."""
    if not isinstance(start, torch.Tensor):
        return torch.ops.aten.narrow.default(x, dim, start, length)  # type: ignore[no-any-return]
    start = torch.where(start < 0, start + x.shape[dim], start)
    return x.index_select(dim, start + torch.arange(length))


RESTATED: Mapping[Callable[..., Any], Callable[..., torch.Tensor]] = {
    torch.cov: cov,
    torch.Tensor.cov: cov,
    torch.corrcoef: corrcoef,
    torch.Tensor.corrcoef: corrcoef,
    torch.narrow: narrow,
    torch.Tensor.narrow: narrow,
}


DETECT = "_detect_is_causal_mask"
"""By which `nn.TransformerEncoder` and `nn.TransformerDecoder` compare a mask with a causal one, for the sake of speed
alone (torch/nn/modules/transformer.py): any mask may be taken as it is."""


class Restated(TorchFunctionMode):
    """Calls the functions of `RESTATED`, compares no masks, and notes whether there was one or the other."""

    found = False

    def __enter__(self) -> Self:
        self._detect = getattr(transformer, DETECT)
        setattr(transformer, DETECT, self._is_causal)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        setattr(transformer, DETECT, self._detect)

    def _is_causal(self, mask: Any, is_causal: Any = None, *_: Any) -> bool:
        self.found |= is_causal is None and mask is not None
        return is_causal is True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        own = RESTATED.get(func)
        if own is None or any(isinstance(a, torch.Tensor) and a.is_complex() for a in args):
            return func(*args, **(kwargs or {}))
        self.found = True
        return own(*args, **(kwargs or {}))
