"""Factorizations with partial pivoting, their parts, and systems solved by them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import torch2keras as t2k
from op_case import Case, check, function


def regular(x: Tensor) -> Tensor:
    """A square matrix, far from singular, with pivots off its diagonal."""
    return torch.tanh(x) + 4 * torch.eye(x.shape[-1]).roll(1, 0)


def swaps() -> Tensor:
    return torch.tensor([[3, 2, 5, 4, 5], [1, 4, 4, 5, 5], [5, 5, 5, 5, 5]], dtype=torch.int32)


CASES: dict[str, Case] = {
    "lu": function(
        lambda x: (*torch.linalg.lu(x), *torch.linalg.lu(x.mT)), (3, 5, 7), transposes=1
    ),
    "lu_factor": function(lambda x: torch.linalg.lu_factor_ex(regular(x)), (3, 5, 5)),
    "lu_factor of a singular matrix": function(
        lambda x: torch.linalg.lu_factor_ex(regular(x) * torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0])),
        (3, 5, 5),
    ),
    "lu_unpack": function(torch.lu_unpack, (3, 5, 5), swaps, dynamic_shapes=None),
    "lu_unpack, data alone": function(
        lambda x, p: torch.lu_unpack(x, p, unpack_pivots=False)[1:], (3, 5, 5), swaps
    ),
    "lu_solve": function(
        lambda x, y: torch.linalg.lu_solve(*torch.linalg.lu_factor(regular(x)), y),
        (3, 5, 5),
        (3, 5, 2),
    ),
    "lu_solve, adjoint": function(
        lambda x, y: torch.linalg.lu_solve(*torch.linalg.lu_factor(regular(x)), y, adjoint=True),
        (3, 5, 5),
        (3, 5, 2),
    ),
    "lu_solve from the right": function(
        lambda x, y: (
            torch.linalg.lu_solve(*torch.linalg.lu_factor(regular(x)), y, left=False),
            torch.linalg.lu_solve(*torch.linalg.lu_factor(regular(x)), y, left=False, adjoint=True),
        ),
        (3, 5, 5),
        (3, 2, 5),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_lu(name: str) -> None:
    check(CASES[name])


def test_many_pivots_are_refused() -> None:
    with pytest.raises(t2k.LoweringError, match="17 columns"):
        check(function(torch.linalg.lu_factor, (3, 17, 17)))
