"""Gaussian elimination with partial pivoting, written out a step a column.

`keras.ops.lu_factor` tells its pivots in one way with TensorFlow and in another with JAX and
PyTorch. Rows are exchanged by computed orders of them, as a Keras graph has no indices that it
writes to.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from torch2keras.errors import LoweringError
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.matrices import require_fixed_size, transpose_matrices

MOST = 16
"""Columns up to which an elimination is written out."""


@dataclass(frozen=True)
class Elimination:
    """The factors of A = P L U: P as an order of rows, L and U in one matrix."""

    factors: Tensor
    """U in the upper triangle and its diagonal, L below it; the ones on the diagonal of L are
    left out."""
    pivots: Tensor
    """For each step the row that it exchanges with, counted from 1 as LAPACK does."""
    order: Tensor
    """The rows of A in the order that results."""


def eliminate(x: Tensor) -> Elimination:
    """Return the factors of matrices with partial pivoting.

    Raises LoweringError for more columns than `MOST`, or a dynamic size.
    """
    rows, columns = require_fixed_size(x).shape[-2:]
    steps = min(rows, columns)
    if steps > MOST:
        raise LoweringError(
            f"a factorization with pivots of {steps} columns, of which {MOST} can be written out",
            [("next", "call torch.linalg.solve, det or slogdet instead of using its factors")],
        )
    order = ops.zeros_like(x[..., 0], dtype="int32") + as_constant(torch.arange(rows))
    pivots = []
    for k in range(steps):
        pivot = find_pivot(x, k)
        pivots.append(pivot + 1)
        exchange = exchange_rows(rows, k, pivot)
        x = ops.take_along_axis(x, ops.expand_dims(exchange, -1), axis=-2)
        order = ops.take_along_axis(order, exchange, axis=-1)
        x = clear_column(x, k)
    return Elimination(x, ops.stack(pivots, axis=-1), order)


def find_pivot(x: Tensor, k: int) -> Tensor:
    """Return the row, from k on, in which column k is largest."""
    below = torch.arange(x.shape[-2]) >= k
    sizes = ops.abs(x[..., k]) * as_constant(below)
    return ops.argmax(ops.add(sizes, as_constant(-1 * ~below)), axis=-1)


def exchange_rows(rows: int, k: int, other: Tensor) -> Tensor:
    """Return the order of rows in which row k and the row `other`, one a matrix, are exchanged."""
    own = torch.arange(rows)
    other = ops.expand_dims(other, -1)
    is_other = ops.cast(ops.equal(as_constant(own), other), "int32")
    here = ops.multiply(as_constant(own == k), other)
    elsewhere = as_constant(own) + is_other * ops.subtract(k, as_constant(own))
    return here + ops.multiply(as_constant(own != k), elsewhere)


def clear_column(x: Tensor, k: int) -> Tensor:
    """Return matrices without column k below the diagonal, where the factors of L stand then."""
    rows, columns = x.shape[-2:]
    below, right = torch.arange(rows)[:, None] > k, torch.arange(columns) > k
    is_column = torch.arange(columns) == k
    head = x[..., k : k + 1, k : k + 1]
    divisor = ops.where(ops.equal(head, 0), 1.0, head)
    share = x[..., k : k + 1] / divisor * as_constant(below)
    rest = x - share * (x[..., k : k + 1, :] * as_constant(right))
    return rest * as_constant(~(below & is_column)) + share * as_constant(is_column)


def split_factors(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return L, with ones on its diagonal, and U of the factors in one matrix."""
    rows, columns = x.shape[-2:]
    least = min(rows, columns)
    lower = ops.tril(x, k=-1)[..., :, :least] + ops.eye(rows, least, dtype=x.dtype)
    return lower, ops.triu(x)[..., :least, :]


def permutation_matrix(order: Tensor, dtype: str) -> Tensor:
    """Return P in A = P L U: column i has its one in row order[i]."""
    return transpose_matrices(ops.one_hot(order, order.shape[-1], dtype=dtype))


def order_rows(pivots: Operand, rows: int) -> Tensor:
    """Return the order of rows after exchanges, one after the other, each told from 1."""
    swaps = cast(as_tensor(pivots), "int32")
    order = ops.zeros_like(swaps[..., :1]) + as_constant(torch.arange(rows))
    for k in range(swaps.shape[-1]):
        order = ops.take_along_axis(order, exchange_rows(rows, k, swaps[..., k] - 1), axis=-1)
    return order


def find_zero_pivot(factors: Tensor) -> Tensor:
    """Return LAPACK's `info`: the first column without a pivot, counted from 1, or 0."""
    is_zero = ops.cast(ops.equal(ops.diagonal(factors, axis1=-2, axis2=-1), 0), "int32")
    return (ops.argmax(is_zero, axis=-1) + 1) * ops.max(is_zero, axis=-1)


def report_singular(x: Operand) -> Tensor | None:
    """Return LAPACK's `info` of a solved system.

    Where there are many columns it is None, which a model that reads it is refused for.
    """
    if None in x.shape[-2:] or x.shape[-1] > MOST:
        return None
    return find_zero_pivot(eliminate(as_tensor(x)).factors)
