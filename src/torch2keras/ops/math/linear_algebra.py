"""Linear algebra of whole matrices, batches in front: solving, determinants, factorizations that are unique.

Each is pinned to PyTorch's order: rows and columns last. Singular vectors and eigenvectors are unique up to a factor,
so that those of PyTorch are nobody else's; singular values and eigenvalues are unique.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.lower.dynamic_sizes import broadcast_to, sizes_of
from torch2keras.lower.recorder import Tensor, as_tensor, cast, ops
from torch2keras.ops.blocks.constants import as_constant

aten = torch.ops.aten


MOST = 16
"""Columns up to which an elimination is written out."""


def mT(x: Tensor) -> Tensor:  # noqa: N802 - PyTorch's name
    """Rows and columns exchanged."""
    return ops.swapaxes(x, -1, -2)


def failure(x: Any) -> Tensor | None:
    """The `info` of a solved system, the first column without a pivot, from 1; None where there are many columns."""
    known = None not in x.shape[-2:] and x.shape[-1] <= MOST
    return lacking(eliminated(as_tensor(x))[0]) if known else None


def lacking(both: Tensor) -> Tensor:
    """Of the factors in one matrix: the first column without a pivot, from 1."""
    zero = ops.cast(ops.equal(ops.diagonal(both, axis1=-2, axis2=-1), 0), "int32")
    return (ops.argmax(zero, axis=-1) + 1) * ops.max(zero, axis=-1)


def of_fixed_size(x: Any) -> Tensor:
    """Matrices of which Keras needs to know the smaller side. Raises LoweringError where that is dynamic."""
    if None in x.shape[-2:]:
        raise LoweringError(
            "a factorization of matrices of a dynamic size",
            [("next", "give the matrices a fixed size")],
        )
    return as_tensor(x)


def batched(x: Any, batch: Sequence[Size]) -> Tensor:
    """Matrices repeated along the batch dimensions of others, which Keras does not broadcast."""
    return as_tensor(broadcast_to(x, (*batch, *sizes_of(x)[-2:])))


def triangle(x: Any, *, upper: bool, unit: bool = False) -> Tensor:
    """One triangle of a square matrix, zeros in the other; with `unit` ones on the diagonal."""
    if unit:
        own = ops.triu(x, k=1) if upper else ops.tril(x, k=-1)
        return own + ops.eye(x.shape[-1], dtype=x.dtype)
    return ops.triu(x) if upper else ops.tril(x)


def symmetric(x: Any, uplo: str = "L") -> Tensor:
    """The symmetric matrix of which one triangle is given."""
    upper = uplo.upper() == "U"
    own = triangle(x, upper=upper)
    return own + mT(ops.triu(x, k=1) if upper else ops.tril(x, k=-1))


@lowering(aten.linalg_cholesky_ex.default)
def cholesky(x, upper=False, check_errors=False):
    """`keras.ops.cholesky` of the triangle that counts; it raises where PyTorch reports, so there is no report."""
    lower = ops.cholesky(symmetric(as_tensor(x), "U" if upper else "L"))
    return (mT(lower) if upper else lower), None


@lowering(aten.linalg_inv_ex.default)
def inverse(A, check_errors=False):
    """`keras.ops.inv`."""
    return ops.inv(as_tensor(A)), failure(A)


@lowering(aten._linalg_det.default)
def determinant(A):
    """`keras.ops.det`; the factors behind it are not given."""
    return ops.det(A), None, None


@lowering(aten._linalg_slogdet.default)
def log_determinant(A):
    """`keras.ops.slogdet`; the factors behind it are not given. What Keras takes for the sign's shape is a number's."""
    sign, logarithm = ops.slogdet(as_tensor(A))
    return sign + ops.zeros_like(logarithm), logarithm, None, None


@lowering(aten._linalg_eigh.default)
def eigenvalues(A, UPLO="L", compute_v=True):
    """`keras.ops.eigh`; eigenvectors are unique up to a factor, and not given."""
    return ops.eigh(symmetric(A, UPLO))[0], None


@lowering(aten._linalg_svd.default)
def singular_values(A, full_matrices=False, compute_uv=True, driver=None):
    """`keras.ops.svd`; singular vectors are unique up to a factor, and not given."""
    return None, ops.svd(of_fixed_size(A), full_matrices=False, compute_uv=False), None


@lowering(aten._linalg_solve_ex.default)
def solve(A, B, left=True, check_errors=False, *, context):
    """`keras.ops.solve`; the factors behind it are not given."""
    vectors = len(context.shapes[0]) == len(sizes_of(A)) - 1
    if vectors:
        return ops.solve(as_tensor(A), as_tensor(B)), None, None, failure(A)
    batch = context.shapes[0][:-2]
    info = failure(A)
    A, B = batched(A, batch), batched(B, batch)
    return (ops.solve(A, B) if left else mT(ops.solve(mT(A), mT(B)))), None, None, info


@lowering(aten.linalg_solve_triangular.default)
def solve_triangular(x, B, upper, left=True, unitriangular=False, *, context):
    """`keras.ops.solve_triangular`."""
    x, B = (batched(v, context.shapes[0][:-2]) for v in (x, B))
    return solved(triangle(x, upper=upper, unit=unitriangular), B, upper=upper, left=left)


def solved(factor: Tensor, other: Tensor, *, upper: bool, left: bool = True) -> Tensor:
    """X in factor X = other, or with `left` false in X factor = other."""
    if left:
        return ops.solve_triangular(factor, other, lower=not upper)
    return mT(ops.solve_triangular(mT(factor), mT(other), lower=upper))


@lowering(aten.triangular_solve.default)
def triangular_solve(x, A, upper=True, transpose=False, unitriangular=False, *, context):
    """`keras.ops.solve_triangular`."""
    whole, other = batched(A, context.shapes[1][:-2]), batched(x, context.shapes[0][:-2])
    factor = triangle(whole, upper=upper, unit=unitriangular)
    return solved(mT(factor) if transpose else factor, other, upper=upper != transpose), whole


@lowering(aten.linalg_qr.default)
def qr(A, mode="reduced"):
    """`keras.ops.qr`, whose reflections are LAPACK's on every backend; so are the signs."""
    q, r = ops.qr(A, mode="complete" if mode == "complete" else "reduced")
    return (None, r) if mode == "r" else (q, r)


@lowering(aten.cholesky_inverse.default)
def cholesky_inverse(x, upper=False):
    """Two triangular systems for the identity."""
    lower = triangle(x, upper=upper)
    lower = mT(lower) if upper else lower
    unit = ops.zeros_like(lower) + ops.eye(x.shape[-1], dtype=x.dtype)
    return solved(mT(lower), solved(lower, unit, upper=False), upper=True)


@lowering(aten.cholesky_solve.default)
def cholesky_solve(x, input2, upper=False, *, context):
    """Two triangular systems."""
    x, factor = (batched(v, context.shapes[0][:-2]) for v in (x, input2))
    lower = mT(triangle(factor, upper=True)) if upper else triangle(factor, upper=False)
    return solved(mT(lower), solved(lower, x, upper=False), upper=True)


@lowering(aten.linalg_pinv.atol_rtol_tensor)
def pseudo_inverse(x, atol=None, rtol=None, hermitian=False):
    """From `keras.ops.svd`: singular values that are too small count as none."""
    x = symmetric(x) if hermitian else as_tensor(x)
    u, s, vh = ops.svd(of_fixed_size(x), full_matrices=False)
    if rtol is None:
        rtol = (
            0.0
            if atol is not None
            else max(x.shape[-2:]) * torch.finfo(getattr(torch, x.dtype)).eps
        )
    largest = ops.max(s, axis=-1, keepdims=True)
    limits = [
        v if isinstance(v, float) else ops.expand_dims(v, -1) for v in (rtol, atol) if v is not None
    ]
    limit = ops.multiply(largest, limits[0])
    limit = ops.maximum(limit, limits[1]) if len(limits) == 2 else limit
    there = ops.greater(s, limit)
    inverted = ops.where(there, 1.0 / ops.where(there, s, 1.0), 0.0)
    return ops.matmul(mT(vh) * ops.expand_dims(inverted, -2), mT(u))


@lowering(aten.linalg_matrix_sqrth.default)
def matrix_sqrth(x):
    """From `keras.ops.eigh`."""
    values, vectors = ops.eigh(symmetric(x))
    return ops.matmul(
        vectors * ops.expand_dims(ops.sqrt(ops.maximum(values, 0.0)), -2), mT(vectors)
    )


@lowering(aten.linalg_polar.default)
def polar(A):
    """From `keras.ops.svd`: U V and V' S V."""
    u, s, vh = ops.svd(of_fixed_size(A), full_matrices=False)
    return ops.matmul(u, vh), ops.matmul(mT(vh) * ops.expand_dims(s, -2), vh)


def reflected(columns: Tensor, factors: Tensor, numbers: Sequence[int], x: Tensor) -> Tensor:
    """Householder reflections applied to `x`, the first of `numbers` first; column k is one at k and zero above."""
    rows = torch.arange(columns.shape[-2])
    for k in numbers:
        below, at = as_constant((rows > k).long()), as_constant((rows == k).long())
        column = columns[..., k] * ops.cast(below, x.dtype) + ops.cast(at, x.dtype)
        column = ops.expand_dims(column, -1)
        across = ops.matmul(mT(column), x)
        x = x - ops.matmul(column, across) * factors[..., k : k + 1, None]
    return x


@lowering(aten.linalg_householder_product.default)
def householder_product(x, tau):
    """The reflections applied to the identity, the last one first."""
    unit = ops.zeros_like(x) + ops.eye(*x.shape[-2:], dtype=x.dtype)
    return reflected(x, tau, range(tau.shape[-1])[::-1], unit)


@lowering(aten.ormqr.default)
def ormqr(x, input2, input3, left=True, transpose=False):
    """The reflections applied to a matrix, from the left or the right."""
    numbers = range(input2.shape[-1])
    order = numbers if transpose == left else numbers[::-1]
    return (
        reflected(x, input2, order, input3) if left else mT(reflected(x, input2, order, mT(input3)))
    )


# Factorizations with partial pivoting. `keras.ops.lu_factor` tells its pivots in one way with TensorFlow and in another
# with JAX and PyTorch, so the elimination is written out, a step a column. Without pivots PyTorch has none on the CPU.


def eliminated(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The two factors in one matrix, the row that each step swaps with (from 1), and the order that results.

    Raises LoweringError for more columns than `MOST`.
    """
    rows, columns = of_fixed_size(x).shape[-2:]
    if min(rows, columns) > MOST:
        raise LoweringError(
            f"a factorization with pivots of {min(rows, columns)} columns, of which {MOST} can be written out",
            [("next", "call torch.linalg.solve, det or slogdet instead of using its factors")],
        )
    down, across = torch.arange(rows)[:, None], torch.arange(columns)
    own = as_constant(down[:, 0])
    order, pivots = ops.zeros_like(x[..., 0], dtype="int32") + own, []
    for k in range(min(rows, columns)):
        size = ops.add(
            ops.abs(x[..., k]) * as_constant(down[:, 0] >= k), as_constant(-1 * (down[:, 0] < k))
        )
        found = ops.argmax(size, axis=-1)
        pivots.append(found + 1)
        turn = exchange(own, k, found)
        x, order = (
            ops.take_along_axis(x, ops.expand_dims(turn, -1), axis=-2),
            ops.take_along_axis(order, turn, axis=-1),
        )
        head = x[..., k : k + 1, k : k + 1]
        share = x[..., k : k + 1] / ops.where(ops.equal(head, 0), 1.0, head) * as_constant(down > k)
        rest = x - share * (x[..., k : k + 1, :] * as_constant(across > k))
        x = rest * as_constant(1 - 1 * ((down > k) & (across == k))) + share * as_constant(
            across == k
        )
    return x, ops.stack(pivots, axis=-1), order


def exchange(own: Any, k: int, other: Tensor) -> Tensor:
    """The order of rows `own` in which row k and the row `other`, one a matrix, have changed places."""
    other = ops.expand_dims(other, -1)
    there = ops.cast(ops.equal(own, other), "int32")
    here = as_constant(own.values() == k)
    return ops.multiply(here, other) + ops.multiply(
        as_constant(own.values() != k), own + there * ops.subtract(k, own)
    )


def factors(x: Tensor) -> tuple[Tensor, Tensor]:
    """The lower factor with ones on its diagonal and the upper one."""
    rows, columns = x.shape[-2:]
    least = min(rows, columns)
    lower = ops.tril(x, k=-1)[..., :, :least] + ops.eye(rows, least, dtype=x.dtype)
    return lower, ops.triu(x)[..., :least, :]


def permutation(order: Tensor, dtype: str) -> Tensor:
    """P in A = P L U: column i has its one in row order[i]."""
    return mT(ops.one_hot(order, order.shape[-1], dtype=dtype))


def order_of(pivots: Any, rows: int) -> Tensor:
    """The order of rows after swaps, one after the other, each told from 1."""
    own = as_constant(torch.arange(rows))
    pivots = cast(as_tensor(pivots), "int32")
    order = ops.zeros_like(pivots[..., :1]) + own
    for k in range(pivots.shape[-1]):
        order = ops.take_along_axis(order, exchange(own, k, pivots[..., k] - 1), axis=-1)
    return order


@lowering(aten.linalg_lu_factor_ex.default)
def lu_factor(A, pivot=True, check_errors=False):
    """Gaussian elimination, a column a step; `info` is the first column without a pivot, counted from 1."""
    both, pivots, _ = eliminated(as_tensor(A))
    return both, pivots, lacking(both)


@lowering(aten.linalg_lu.default)
def lu(A, pivot=True):
    """Gaussian elimination, a column a step."""
    both, _, order = eliminated(as_tensor(A))
    return permutation(order, both.dtype), *factors(both)


@lowering(aten.lu_unpack.default)
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """The triangles, and the swaps one after the other."""
    lower, upper = factors(as_tensor(LU_data)) if unpack_data else (None, None)
    order = order_of(LU_pivots, LU_data.shape[-2]) if unpack_pivots else None
    return (None if order is None else permutation(order, LU_data.dtype)), lower, upper


@lowering(aten.linalg_lu_solve.default)
def lu_solve(LU, pivots, B, left=True, adjoint=False, *, context):
    """The swaps, and two triangular systems."""
    batch = context.shapes[0][:-2]
    order = permutation(order_of(pivots, LU.shape[-1]), LU.dtype)
    lower, upper = factors(batched(LU, batch))
    other = batched(B, batch) if left else mT(batched(B, batch))
    if adjoint == left:
        y = ops.matmul(order, solved(mT(lower), solved(mT(upper), other, upper=False), upper=True))
    else:
        y = solved(upper, solved(lower, ops.matmul(mT(order), other), upper=False), upper=True)
    return y if left else mT(y)


PADE = (
    17643225600.0,
    8821612800.0,
    2075673600.0,
    302702400.0,
    30270240.0,
    2162160.0,
    110880.0,
    3960.0,
    90.0,
    1.0,
)
"""Of exp, of the degree 9 (Higham, The scaling and squaring method for the matrix exponential revisited, 2005)."""


SQUARINGS = 14
"""Norms up to 2 * 2^14 are scaled to below 2; what is larger gives NaN."""


@lowering(aten.linalg_matrix_exp.default)
def matrix_exp(x):
    """Scaling and squaring: exp(A / 2^s) as a quotient of polynomials, and s squares of it."""
    size = ops.max(ops.sum(ops.abs(x), axis=-2, keepdims=True), axis=-1, keepdims=True)
    times = ops.maximum(ops.ceil(ops.log2(size / 2.0)), 0.0)
    x = x / ops.where(ops.less_equal(times, SQUARINGS), ops.exp2(times), float("nan"))
    unit, square, power = ops.eye(x.shape[-1], dtype=x.dtype), ops.matmul(x, x), None
    even, odd = PADE[0] * unit, PADE[1] * unit
    for a, b in zip(PADE[2::2], PADE[3::2], strict=True):
        power = square if power is None else ops.matmul(power, square)
        even, odd = even + power * a, odd + power * b
    odd = ops.matmul(x, odd)
    y = ops.solve(even - odd, even + odd)
    for step in range(SQUARINGS):
        y = ops.where(ops.less(step, times), ops.matmul(y, y), y)
    return y
