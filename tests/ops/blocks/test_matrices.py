"""Triangles of matrices, and the systems of equations that they stand for."""

from __future__ import annotations

import pytest
import torch

from recorded import record, weight_of
from torch2keras.errors import LoweringError
from torch2keras.ops.blocks.matrices import (
    broadcast_matrices,
    mirror_triangle,
    require_fixed_size,
    solve_square,
    solve_triangle,
    take_triangle,
    transpose_matrices,
)

A = torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(0)) + 4 * torch.eye(5)
B = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1))


def test_rows_and_columns_are_exchanged() -> None:
    assert torch.equal(record(transpose_matrices, B).result, B.mT)


def test_a_dynamic_size_is_refused() -> None:
    assert record(require_fixed_size, B, dynamic=(0,)).targets == []
    for dim in (1, 2):
        with pytest.raises(LoweringError, match="dynamic size"):
            record(require_fixed_size, B, dynamic=(dim,))


def test_one_matrix_for_a_batch() -> None:
    held = record(lambda _: broadcast_matrices(weight_of(A[0]), (7, 3)), B)
    assert torch.equal(held.result, A[0].expand(7, 3, 5, 5))
    given = record(lambda x: broadcast_matrices(x, (7, 3)), A)
    assert torch.equal(given.result, A.expand(7, 3, 5, 5))


@pytest.mark.parametrize("upper", [False, True])
def test_triangles(*, upper: bool) -> None:
    triangle = A.triu() if upper else A.tril()
    beside = A.triu(1) if upper else A.tril(-1)
    assert torch.equal(record(lambda x: take_triangle(x, upper=upper), A).result, triangle)
    unit = record(lambda x: take_triangle(x, upper=upper, unit=True), A).result
    assert torch.equal(unit, beside + torch.eye(5))
    mirrored = record(lambda x: mirror_triangle(x, upper=upper), A).result
    assert torch.equal(mirrored, triangle + beside.mT)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("upper", [False, True])
def test_a_triangular_system(*, upper: bool, left: bool) -> None:
    factor = A.triu() if upper else A.tril()
    other = B if left else B.mT
    found = record(lambda a, b: solve_triangle(a, b, upper=upper, left=left), factor, other).result
    product = factor @ found if left else found @ factor
    assert torch.allclose(product, other, atol=1e-5)


def test_a_system_by_the_factor_of_cholesky() -> None:
    lower = A.tril()
    found = record(solve_square, lower, B).result
    assert torch.allclose(lower @ lower.mT @ found, B, atol=1e-5)
