"""Tensors of dynamic sizes that are made of nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from op_case import Case, check, function

BOTH = {"dynamic_shapes": (({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},),)}


def causal(x: Tensor) -> Tensor:
    n = x.shape[2]
    mask = torch.ones(n, n, dtype=torch.bool).tril()
    return x @ mask.float() + torch.zeros(n, n).masked_fill(~mask, -2.0)[0]


CASES: dict[str, Case] = {
    "zeros": function(lambda x: torch.cat([torch.zeros(x.shape[0], 3, 2), x], 2), (2, 3, 11)),
    "ones": function(
        lambda x: x * torch.ones(x.shape[0], 1, x.shape[2] + 2)[:, :, 2:], (2, 3, 11), **BOTH
    ),
    "full": function(
        lambda x: x + torch.full((x.shape[0], 1, x.shape[2]), 0.1), (2, 3, 11), **BOTH
    ),
    "empty": function(lambda x: (x, torch.zeros(0, 3)), (2, 3)),
    "full ints": function(lambda x: torch.full((x.shape[0], 3), 7), (2, 3, 11)),
    "full bools": function(lambda x: torch.full((x.shape[0], 3), True), (2, 3, 11)),
    "full of a size": function(
        lambda x: x / torch.full((x.shape[2],), x.shape[2]), (2, 3, 11), **BOTH
    ),
    "empty, filled": function(
        lambda x: torch.empty(x.shape[0], 3).fill_(2.0) + x[:, :, 0], (2, 3, 11)
    ),
    "arange": function(lambda x: x + torch.arange(x.shape[2]), (2, 3, 11), **BOTH),
    "arange start": function(lambda x: x + torch.arange(3, x.shape[2] + 3), (2, 3, 11), **BOTH),
    "arange step": function(
        lambda x: x[..., :-1] + torch.arange(1, 2 * x.shape[2] - 1, 2) * 0.5, (2, 3, 11), **BOTH
    ),
    "arange floats": function(
        lambda x: x + torch.arange(0.0, x.shape[2]) / x.shape[2], (2, 3, 11), **BOTH
    ),
    "linspace": function(lambda x: x[..., :5] + torch.linspace(-1, 1, 5), (2, 3, 11)),
    "eye": function(lambda x: x * torch.eye(x.shape[2])[2], (2, 3, 11), **BOTH),
    "eye, two sizes": function(lambda x: x + torch.eye(3, x.shape[2]), (2, 3, 11), **BOTH),
    "zeros_like": function(
        lambda x: torch.zeros_like(x) + torch.ones_like(x) + torch.full_like(x, 2.5),
        (2, 3, 11),
        **BOTH,
    ),
    "like, another dtype": function(
        lambda x: torch.ones_like(x, dtype=torch.int64), (2, 3, 11), **BOTH
    ),
    "new": function(
        lambda x: x + x.new_ones(x.shape[2]) + x.new_zeros(3, 1) + x.new_full((1,), 2.0),
        (2, 3, 11),
        **BOTH,
    ),
    "sizes as numbers": function(
        lambda x: x * x.shape[2] ** -0.5 + x.shape[0] // 2, (2, 3, 11), **BOTH
    ),
    "scalar_tensor": function(lambda x: x + torch.scalar_tensor(x.shape[2]), (2, 3, 11), **BOTH),
    "causal mask": function(causal, (2, 3, 11), **BOTH),
    "tril_indices": function(lambda x: x[:, *torch.tril_indices(3, 3)], (2, 3, 11), transposes=1),
}


@pytest.mark.parametrize("name", CASES)
def test_creation(name: str) -> None:
    check(CASES[name])
