"""Linear algebra of whole matrices, alone and in batches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import torch2keras as t2k
from op_case import Case, check, function

aten = torch.ops.aten

pytestmark = pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")


def definite(x: Tensor) -> Tensor:
    """A symmetric positive definite matrix, far from singular."""
    return torch.tanh(x) @ torch.tanh(x).mT + 3 * torch.eye(x.shape[-2])


def regular(x: Tensor) -> Tensor:
    """A square matrix, far from singular, with pivots off its diagonal."""
    return torch.tanh(x) + 4 * torch.eye(x.shape[-1]).roll(1, 0)


def reflections(x: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and factors of Householder reflections."""
    columns = torch.tanh(x).tril(-1)
    return torch.tanh(x), 2 / (1 + columns.square().sum(-2))


CASES: dict[str, Case] = {
    "cholesky": function(lambda x: torch.linalg.cholesky(definite(x)), (3, 5, 7)),
    "cholesky, upper, of the upper triangle": function(
        lambda x: torch.linalg.cholesky(definite(x) + torch.ones(5, 5).tril(-1), upper=True),
        (3, 5, 7),
    ),
    "cholesky, upper": function(
        lambda x: torch.linalg.cholesky_ex(definite(x), upper=True)[0], (3, 5, 7)
    ),
    "cholesky reads one triangle": function(
        lambda x: torch.linalg.cholesky(definite(x).tril()), (3, 5, 7)
    ),
    "cholesky_inverse": function(
        lambda x: (
            torch.cholesky_inverse(definite(x)),
            torch.cholesky_inverse(definite(x), upper=True),
        ),
        (3, 5, 7),
    ),
    "cholesky_solve": function(
        lambda x, y: torch.cholesky_solve(y, definite(x)), (3, 5, 7), (3, 5, 2)
    ),
    "cholesky_solve, upper, one matrix for all": function(
        lambda x, y: torch.cholesky_solve(y, definite(x), upper=True), (5, 7), (3, 5, 2)
    ),
    "inverse": function(lambda x: torch.linalg.inv(regular(x)), (3, 5, 5)),
    "inverse of many columns": function(lambda x: torch.linalg.inv(regular(x)), (2, 17, 17)),
    "inverse, with info": function(lambda x: torch.linalg.inv_ex(regular(x)), (3, 2, 5, 5)),
    "determinants": function(
        lambda x: (torch.linalg.det(regular(x)), torch.logdet(definite(x))), (3, 5, 5)
    ),
    "slogdet": function(lambda x: torch.linalg.slogdet(regular(x)), (3, 2, 5, 5)),
    "slogdet of one matrix": function(lambda x: torch.linalg.slogdet(regular(x)), (5, 5)),
    "eigenvalues": function(torch.linalg.eigvalsh, (3, 5, 5)),
    "eigenvalues of the upper triangle": function(
        lambda x: torch.linalg.eigvalsh(x, UPLO="U"), (3, 5, 5)
    ),
    "singular values": function(
        lambda x: (torch.linalg.svdvals(x), torch.linalg.svdvals(x.mT)), (3, 5, 7), transposes=1
    ),
    "singular values of one matrix": function(torch.linalg.svdvals, (5, 7)),
    "norms by singular values": function(
        lambda x: (
            torch.linalg.matrix_norm(x, "nuc"),
            torch.linalg.matrix_norm(x, 2),
            torch.linalg.cond(regular(x)),
        ),
        (3, 5, 5),
    ),
    "rank": function(
        lambda x: torch.linalg.matrix_rank(torch.tanh(x)[..., :2] @ x[..., :2, :]), (3, 5, 7)
    ),
    "solve": function(lambda x, y: torch.linalg.solve(regular(x), y), (3, 5, 5), (3, 5, 2)),
    "solve for vectors": function(
        lambda x, y: torch.linalg.solve(regular(x), y), (3, 5, 5), (3, 5)
    ),
    "solve from the right, one matrix for all": function(
        lambda x, y: torch.linalg.solve(regular(x), y, left=False), (5, 5), (3, 2, 5)
    ),
    "solve, with info": function(
        lambda x, y: torch.linalg.solve_ex(regular(x), y), (3, 5, 5), (3, 5, 2)
    ),
    "solve_triangular": function(
        lambda x, y: torch.linalg.solve_triangular(
            regular(x.roll(1, -2)).roll(-1, -2), y, upper=True
        ),
        (3, 5, 5),
        (3, 5, 2),
    ),
    "solve_triangular from the right": function(
        lambda x, y: torch.linalg.solve_triangular(
            torch.tanh(x), y, upper=False, left=False, unitriangular=True
        ),
        (3, 5, 5),
        (3, 2, 5),
    ),
    "triangular_solve": function(
        lambda x, y: torch.triangular_solve(y, definite(x), upper=False),
        (3, 5, 5),
        (3, 5, 2),
        transposes=1,
    ),
    "triangular_solve, transposed": function(
        lambda x, y: torch.triangular_solve(y, torch.tanh(x), transpose=True, unitriangular=True)[
            0
        ],
        (3, 5, 5),
        (2, 3, 5, 2),
    ),
    "qr": function(
        lambda x: (*torch.linalg.qr(x), *torch.linalg.qr(x.mT)), (3, 5, 7), transposes=1
    ),
    "qr, complete": function(lambda x: torch.linalg.qr(x, mode="complete"), (3, 7, 5)),
    "qr, r alone": function(lambda x: torch.linalg.qr(x, mode="r")[1], (3, 7, 5)),
    "pinv": function(torch.linalg.pinv, (3, 5, 7)),
    "pinv, limits": function(
        lambda x: torch.linalg.pinv(torch.tanh(x), rtol=0.3, atol=0.5), (3, 5, 7)
    ),
    "pinv, hermitian": function(
        lambda x: torch.linalg.pinv(definite(x), hermitian=True), (3, 5, 7)
    ),
    "matrix_exp": function(lambda x: torch.linalg.matrix_exp(torch.tanh(x)), (3, 5, 5)),
    "matrix_exp of large numbers": function(lambda x: torch.linalg.matrix_exp(x * 9), (5, 5)),
    "matrix_exp of large and small": function(
        lambda x: (torch.linalg.matrix_exp(torch.tanh(x) * 4), torch.linalg.matrix_exp(x * 0.001)),
        (3, 5, 5),
    ),
    "matrix_sqrth": function(lambda x: aten.linalg_matrix_sqrth(definite(x)), (3, 5, 7)),
    "polar": function(lambda x: aten.linalg_polar(regular(x)), (3, 5, 5)),
    "householder_product": function(
        lambda x: torch.linalg.householder_product(*reflections(x)), (3, 7, 5)
    ),
    "ormqr": function(lambda x, y: torch.ormqr(*reflections(x), y), (3, 7, 5), (3, 7, 2)),
    "ormqr, transposed": function(
        lambda x, y: torch.ormqr(*reflections(x), y, transpose=True), (3, 7, 5), (3, 7, 2)
    ),
    "ormqr from the right": function(
        lambda x, y: (
            torch.ormqr(*reflections(x), y, left=False),
            torch.ormqr(*reflections(x), y, left=False, transpose=True),
        ),
        (3, 7, 5),
        (3, 2, 7),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_linear_algebra(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("call", [torch.linalg.eigh, torch.linalg.svd], ids=["eigh", "svd"])
def test_vectors_that_are_not_unique_are_refused(call) -> None:
    with pytest.raises(t2k.LoweringError, match="unique up to a factor"):
        check(function(call, (3, 5, 5)))


def test_a_report_of_cholesky_is_refused() -> None:
    with pytest.raises(t2k.LoweringError, match="it raises where PyTorch reports"):
        check(function(lambda x: torch.linalg.cholesky_ex(definite(x)), (3, 5, 7)))


def test_a_matrix_of_dynamic_size_is_refused() -> None:
    dims = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    with pytest.raises(t2k.LoweringError, match="dynamic size"):
        check(function(torch.linalg.svdvals, (3, 5, 7), dynamic_shapes=((dims,),)))
