"""`torch2keras::fixed_batch_norm` keeps to its running statistics in training too."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from torch2keras.custom_ops.library import define_op


def compute(
    input: Tensor,  # noqa: A002 - PyTorch's name
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    eps: float,
) -> Tensor:
    """Return what `aten.batch_norm` gives in eval mode."""
    return functional.batch_norm(input, running_mean, running_var, weight, bias, eps=eps)


fixed_batch_norm = define_op(
    "fixed_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean,"
    " Tensor running_var, float eps) -> Tensor",
    compute,
    lambda input, *_: torch.empty_like(input),  # noqa: A006 - PyTorch's name
)
