"""Functions of PyTorch that branch on values, said by functions that do not.

torch.export knows no values, so it refuses the originals; these give the same numbers for real
tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch.nn.modules import transformer
from torch.overrides import TorchFunctionMode

from torch2keras.runtime.run_alone import patch_here


def cov(
    x: torch.Tensor,
    *,
    correction: Any = 1,
    fweights: torch.Tensor | None = None,
    aweights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return `torch.cov`, the covariances of the rows of x (variables, observations).

    The divisor is not below zero, as in aten/src/ATen/native/Correlation.cpp, where a check of its
    value warns of it.
    """
    if x.ndim < 2:
        x = x.reshape(1, -1)
    weight = _multiply_weights(fweights, aweights)
    total = torch.tensor(x.shape[1]) if weight is None else weight.sum()
    x = x - (_scale(x, weight).sum(1) / total).unsqueeze(1)
    less = correction
    if weight is not None and aweights is not None and correction:
        less = correction * (weight * aweights).sum() / total
    result: torch.Tensor = (x @ _scale(x, weight).mT / (total - less).clamp(min=0)).squeeze()
    return result


def _multiply_weights(*weights: torch.Tensor | None) -> torch.Tensor | None:
    """Return the product of the weights that are given, None where there is none."""
    product = None
    for weight in weights:
        if weight is not None:
            product = weight if product is None else product * weight
    return product


def _scale(x: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    return x if weight is None else x * weight


def corrcoef(x: torch.Tensor) -> torch.Tensor:
    """Return `torch.corrcoef`, the correlations of the rows of x (variables, observations)."""
    covariances = cov(x)
    if covariances.ndim == 0:
        return covariances / covariances
    deviation = covariances.diag().sqrt()
    return (covariances / deviation.unsqueeze(1) / deviation).clip(-1, 1)


def narrow(x: torch.Tensor, dim: int, start: Any, length: Any) -> torch.Tensor:
    """Return `torch.narrow`, also from a position that is a tensor of one number."""
    if not isinstance(start, torch.Tensor):
        return torch.ops.aten.narrow.default(x, dim, start, length)  # type: ignore[no-any-return]
    start = torch.where(start < 0, start + x.shape[dim], start)
    return x.index_select(dim, start + torch.arange(length))


SUBSTITUTES: Mapping[Callable[..., Any], Callable[..., torch.Tensor]] = {
    torch.cov: cov,
    torch.Tensor.cov: cov,
    torch.corrcoef: corrcoef,
    torch.Tensor.corrcoef: corrcoef,
    torch.narrow: narrow,
    torch.Tensor.narrow: narrow,
}


DETECT = "_detect_is_causal_mask"
"""The function by which `nn.TransformerEncoder` and `nn.TransformerDecoder` compare a mask with a
causal one, for the sake of speed alone (torch/nn/modules/transformer.py): any mask may be taken as
it is."""


class BranchFree(TorchFunctionMode):
    """Within, the functions of `SUBSTITUTES` branch on no values, and no masks are compared.

    `found` tells whether there was one or the other.
    """

    found = False

    def __enter__(self) -> Self:
        self._patch = patch_here(transformer, DETECT, self._is_causal)
        self._patch.__enter__()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._patch.__exit__(None, None, None)

    def _is_causal(self, mask: Any, is_causal: Any = None, *_: Any) -> bool:
        self.found |= is_causal is None and mask is not None
        return is_causal is True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        substitute = SUBSTITUTES.get(func)
        if substitute is None or any(map(_is_complex, args)):
            return func(*args, **(kwargs or {}))
        self.found = True
        return substitute(*args, **(kwargs or {}))


def _is_complex(argument: object) -> bool:
    return isinstance(argument, torch.Tensor) and argument.is_complex()
