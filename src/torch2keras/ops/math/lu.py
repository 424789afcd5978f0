"""Factorizations with partial pivoting, and systems solved by them; batches in front.

Without pivots PyTorch has none on the CPU.
"""

from __future__ import annotations

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.recorder import as_tensor, ops
from torch2keras.ops.blocks.elimination import (
    eliminate,
    find_zero_pivot,
    order_rows,
    permutation_matrix,
    split_factors,
)
from torch2keras.ops.blocks.matrices import broadcast_matrices, solve_triangle, transpose_matrices

aten = torch.ops.aten


@lowering(aten.linalg_lu_factor_ex.default)
def lu_factor(A, pivot=True, check_errors=False):
    """Gaussian elimination, a column a step; the report is the first column without a pivot."""
    found = eliminate(as_tensor(A))
    return found.factors, found.pivots, find_zero_pivot(found.factors)


@lowering(aten.linalg_lu.default)
def lu(A, pivot=True):
    """Gaussian elimination, a column a step."""
    found = eliminate(as_tensor(A))
    lower, upper = split_factors(found.factors)
    return permutation_matrix(found.order, found.factors.dtype), lower, upper


@lowering(aten.lu_unpack.default)
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """The triangles, by `keras.ops.tril` and `keras.ops.triu`, and the order of rows."""
    matrix, lower, upper = None, None, None
    if unpack_data:
        lower, upper = split_factors(as_tensor(LU_data))
    if unpack_pivots:
        order = order_rows(LU_pivots, LU_data.shape[-2])
        matrix = permutation_matrix(order, LU_data.dtype)
    return matrix, lower, upper


@lowering(aten.linalg_lu_solve.default)
def lu_solve(LU, pivots, B, left=True, adjoint=False, *, context):
    """The exchanges, and two triangular systems by `keras.ops.solve_triangular`."""
    batch = context.shapes[0][:-2]
    rows = permutation_matrix(order_rows(pivots, LU.shape[-1]), LU.dtype)
    lower, upper = split_factors(broadcast_matrices(LU, batch))
    other = broadcast_matrices(B, batch)
    if not left:
        other = transpose_matrices(other)
    if adjoint == left:
        y = solve_triangle(transpose_matrices(upper), other, upper=False)
        y = ops.matmul(rows, solve_triangle(transpose_matrices(lower), y, upper=True))
    else:
        y = ops.matmul(transpose_matrices(rows), other)
        y = solve_triangle(upper, solve_triangle(lower, y, upper=False), upper=True)
    return y if left else transpose_matrices(y)
