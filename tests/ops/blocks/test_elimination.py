"""Gaussian elimination: its parts give the matrix again, its pivots are LAPACK's."""

from __future__ import annotations

import pytest
import torch

from recorded import record, weight_of
from torch2keras.errors import LoweringError
from torch2keras.ops.blocks.elimination import (
    MOST,
    eliminate,
    exchange_rows,
    find_zero_pivot,
    order_rows,
    permutation_matrix,
    report_singular,
    split_factors,
)

DRAW = torch.Generator().manual_seed(0)
SHAPES = [(3, 5, 5), (3, 7, 5), (2, 3, 5, 7), (1, 1), (MOST, MOST + 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_factors_give_the_matrix_again(shape: tuple[int, ...]) -> None:
    a = torch.randn(shape, generator=DRAW)

    def parts(x):
        found = eliminate(x)
        rows = permutation_matrix(found.order, found.factors.dtype)
        return [rows, *split_factors(found.factors), found.pivots, found.order]

    rows, lower, upper, pivots, order = record(parts, a).results
    assert torch.allclose(rows @ lower @ upper, a, atol=1e-5)
    assert torch.equal(
        lower.diagonal(dim1=-2, dim2=-1), torch.ones(*lower.shape[:-2], min(shape[-2:]))
    )
    assert lower.abs().max() <= 1.0
    theirs = torch.linalg.lu_factor(a)
    assert pivots.tolist() == theirs.pivots.tolist()
    again = record(lambda p: order_rows(p, shape[-2]), theirs.pivots).result
    assert again.tolist() == order.tolist()


def test_many_columns_and_dynamic_sizes_are_refused() -> None:
    with pytest.raises(LoweringError, match=f"{MOST + 1} columns"):
        record(lambda x: eliminate(x).factors, torch.zeros(MOST + 1, MOST + 1))
    with pytest.raises(LoweringError, match="dynamic size"):
        record(lambda x: eliminate(x).factors, torch.zeros(3, 3), dynamic=(0,))


@pytest.mark.parametrize(("k", "other"), [(0, 3), (2, 2), (4, 1)])
def test_two_rows_are_exchanged(k: int, other: int) -> None:
    expected = list(range(5))
    expected[k], expected[other] = other, k
    found = record(lambda o: exchange_rows(5, k, o), torch.tensor([other], dtype=torch.int32))
    assert found.result.tolist() == [expected]


def test_the_first_column_without_a_pivot() -> None:
    diagonals = torch.tensor([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    found = record(find_zero_pivot, torch.diag_embed(diagonals) + torch.ones(3, 3).triu(1))
    assert found.result.tolist() == [0, 2, 1]


def test_a_singular_system_is_reported_up_to_some_columns() -> None:
    singular = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    assert record(report_singular, singular).result.item() == 2
    assert report_singular(weight_of(torch.eye(MOST + 1))) is None
