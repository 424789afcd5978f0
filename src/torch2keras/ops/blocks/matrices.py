"""Matrices in the last two dimensions: their triangles, and systems of equations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.dynamic_sizes import broadcast_to, sizes_of
from torch2keras.lower.recorder import Tensor, as_tensor, ops


def transpose_matrices(x: Any) -> Tensor:
    """Return matrices with rows and columns exchanged."""
    return ops.swapaxes(x, -1, -2)


def require_fixed_size(x: Operand) -> Tensor:
    """Return matrices whose numbers of rows and columns Keras needs to know.

    Raises LoweringError where one of these is dynamic.
    """
    if None in x.shape[-2:]:
        raise LoweringError(
            "a factorization of matrices of a dynamic size",
            [("next", "give the matrices a fixed size")],
        )
    return as_tensor(x)


def broadcast_matrices(x: Operand, batch: Sequence[Size]) -> Tensor:
    """Return matrices repeated along a batch, whose dimensions Keras does not broadcast."""
    return as_tensor(broadcast_to(x, (*batch, *sizes_of(x)[-2:])))


def take_triangle(x: Any, *, upper: bool, unit: bool = False) -> Tensor:
    """Return one triangle of square matrices; with `unit` it has ones on the diagonal."""
    if unit:
        beside = _take_beside_diagonal(x, upper=upper)
        return beside + ops.eye(x.shape[-1], dtype=x.dtype)
    if upper:
        return ops.triu(x)
    return ops.tril(x)


def _take_beside_diagonal(x: Any, *, upper: bool) -> Tensor:
    """Return one triangle of square matrices without the diagonal."""
    if upper:
        return ops.triu(x, k=1)
    return ops.tril(x, k=-1)


def mirror_triangle(x: Any, *, upper: bool) -> Tensor:
    """Return the symmetric matrices of which one triangle is given; the other is not read."""
    mirror_image = transpose_matrices(_take_beside_diagonal(x, upper=upper))
    return take_triangle(x, upper=upper) + mirror_image


def solve_triangle(factor: Tensor, other: Tensor, *, upper: bool, left: bool = True) -> Tensor:
    """Return X in factor X = other, or in X factor = other where the factor is not on the left."""
    if left:
        return ops.solve_triangular(factor, other, lower=not upper)
    return transpose_matrices(
        ops.solve_triangular(transpose_matrices(factor), transpose_matrices(other), lower=upper)
    )


def solve_square(lower: Tensor, other: Tensor) -> Tensor:
    """Return X in L L^T X = other, by the factor L of Cholesky: forwards, then backwards."""
    forwards = solve_triangle(lower, other, upper=False)
    return solve_triangle(transpose_matrices(lower), forwards, upper=True)
