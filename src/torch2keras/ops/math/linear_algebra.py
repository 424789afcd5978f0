"""Linear algebra of whole matrices: solving, determinants, factorizations that are unique.

Each is pinned to PyTorch's order: batches in front, rows and columns last. Singular vectors and
eigenvectors are unique up to a factor, so that those of PyTorch are nobody else's; singular values
and eigenvalues are unique.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.dynamic_sizes import sizes_of
from torch2keras.lower.recorder import Tensor, as_tensor, ops
from torch2keras.ops.blocks.constants import as_constant
from torch2keras.ops.blocks.elimination import report_singular
from torch2keras.ops.blocks.matrices import (
    broadcast_matrices,
    mirror_triangle,
    require_fixed_size,
    solve_square,
    solve_triangle,
    take_triangle,
    transpose_matrices,
)

aten = torch.ops.aten


@lowering(aten.linalg_cholesky_ex.default)
def cholesky(x, upper=False, check_errors=False):
    """A factor by `keras.ops.cholesky`; no `info`, as it raises where PyTorch reports."""
    lower = ops.cholesky(mirror_triangle(as_tensor(x), upper=upper))
    if upper:
        return transpose_matrices(lower), None
    return lower, None


@lowering(aten.linalg_inv_ex.default)
def inverse(A, check_errors=False):
    """The inverse matrix by `keras.ops.inv`; `info` only for up to 16 columns."""
    return ops.inv(as_tensor(A)), report_singular(A)


@lowering(aten._linalg_det.default)
def determinant(A):
    """The determinant by `keras.ops.det`; the factors behind it are not given."""
    return ops.det(A), None, None


@lowering(aten._linalg_slogdet.default)
def log_determinant(A):
    """Its sign and logarithm by `keras.ops.slogdet`; the factors behind it are not given.

    Keras takes the shape of the sign for that of a number, so it is added to zeros.
    """
    sign, logarithm = ops.slogdet(as_tensor(A))
    return sign + ops.zeros_like(logarithm), logarithm, None, None


@lowering(aten._linalg_eigh.default)
def eigenvalues(A, UPLO="L", compute_v=True):
    """The eigenvalues by `keras.ops.eigh`; vectors are unique up to a factor, and not given."""
    return ops.eigh(mirror_triangle(A, upper=UPLO.upper() == "U"))[0], None


@lowering(aten._linalg_svd.default)
def singular_values(A, full_matrices=False, compute_uv=True, driver=None):
    """The singular values by `keras.ops.svd`; vectors are unique up to a factor, and not given."""
    return None, ops.svd(require_fixed_size(A), full_matrices=False, compute_uv=False), None


@lowering(aten._linalg_solve_ex.default)
def solve(A, B, left=True, check_errors=False, *, context):
    """The solution by `keras.ops.solve`; no factors, and `info` only for up to 16 columns."""
    shape, info = context.shapes[0], report_singular(A)
    is_vector = len(shape) == len(sizes_of(A)) - 1
    if is_vector:
        return ops.solve(as_tensor(A), as_tensor(B)), None, None, info
    matrix, other = broadcast_matrices(A, shape[:-2]), broadcast_matrices(B, shape[:-2])
    if left:
        return ops.solve(matrix, other), None, None, info
    solution = ops.solve(transpose_matrices(matrix), transpose_matrices(other))
    return transpose_matrices(solution), None, None, info


@lowering(aten.linalg_solve_triangular.default)
def solve_triangular(x, B, upper, left=True, unitriangular=False, *, context):
    """The solution by `keras.ops.solve_triangular`."""
    batch = context.shapes[0][:-2]
    matrix, other = broadcast_matrices(x, batch), broadcast_matrices(B, batch)
    factor = take_triangle(matrix, upper=upper, unit=unitriangular)
    return solve_triangle(factor, other, upper=upper, left=left)


@lowering(aten.triangular_solve.default)
def triangular_solve(x, A, upper=True, transpose=False, unitriangular=False, *, context):
    """The solution by `keras.ops.solve_triangular`, and the matrix as it was given."""
    solution_shape, matrix_shape = context.shapes
    matrix = broadcast_matrices(A, matrix_shape[:-2])
    other = broadcast_matrices(x, solution_shape[:-2])
    factor = take_triangle(matrix, upper=upper, unit=unitriangular)
    if transpose:
        return solve_triangle(transpose_matrices(factor), other, upper=not upper), matrix
    return solve_triangle(factor, other, upper=upper), matrix


@lowering(aten.linalg_qr.default)
def qr(A, mode="reduced"):
    """The factors by `keras.ops.qr`, whose signs are LAPACK's on every backend."""
    q, r = ops.qr(A, mode="complete" if mode == "complete" else "reduced")
    return (None, r) if mode == "r" else (q, r)


@lowering(aten.cholesky_inverse.default)
def cholesky_inverse(x, upper=False):
    """Two triangular systems for the identity, by `keras.ops.solve_triangular`."""
    lower = take_triangle(x, upper=upper)
    if upper:
        lower = transpose_matrices(lower)
    unit = ops.zeros_like(lower) + ops.eye(x.shape[-1], dtype=x.dtype)
    return solve_square(lower, unit)


@lowering(aten.cholesky_solve.default)
def cholesky_solve(x, input2, upper=False, *, context):
    """Two triangular systems, by `keras.ops.solve_triangular`."""
    batch = context.shapes[0][:-2]
    other, factor = broadcast_matrices(x, batch), broadcast_matrices(input2, batch)
    lower = take_triangle(factor, upper=upper)
    if upper:
        lower = transpose_matrices(lower)
    return solve_square(lower, other)


@lowering(aten.linalg_pinv.atol_rtol_tensor)
def pseudo_inverse(x, atol=None, rtol=None, hermitian=False):
    """From `keras.ops.svd`: singular values that are too small count as none."""
    matrix = mirror_triangle(x, upper=False) if hermitian else as_tensor(x)
    u, s, vh = ops.svd(require_fixed_size(matrix), full_matrices=False)
    largest = ops.max(s, axis=-1, keepdims=True)
    has_inverse = ops.greater(s, find_smallest_size(largest, x, atol, rtol))
    inverses = ops.where(has_inverse, 1.0 / ops.where(has_inverse, s, 1.0), 0.0)
    scaled = transpose_matrices(vh) * ops.expand_dims(inverses, -2)
    return ops.matmul(scaled, transpose_matrices(u))


def find_smallest_size(largest: Tensor, x: Any, atol: Any, rtol: Any) -> Any:
    """Return the limit up to which singular values count as none, max(atol, rtol * largest).

    `atol` and `rtol` are tensors or None; as in `torch.linalg.pinv`, `rtol` is zero where `atol`
    alone is given, and else the larger side of the matrix times the distance of one to the next
    number.
    """
    if rtol is not None:
        relative = ops.multiply(largest, ops.expand_dims(rtol, -1))
    elif atol is not None:
        relative = ops.multiply(largest, 0.0)
    else:
        epsilon = torch.finfo(getattr(torch, x.dtype)).eps
        relative = ops.multiply(largest, max(x.shape[-2:]) * epsilon)
    if atol is None:
        return relative
    return ops.maximum(relative, ops.expand_dims(atol, -1))


@lowering(aten.linalg_matrix_sqrth.default)
def matrix_sqrth(x):
    """The root of a symmetric matrix, by the eigenvalues of `keras.ops.eigh`."""
    values, vectors = ops.eigh(mirror_triangle(x, upper=False))
    roots = ops.expand_dims(ops.sqrt(ops.maximum(values, 0.0)), -2)
    return ops.matmul(vectors * roots, transpose_matrices(vectors))


@lowering(aten.linalg_polar.default)
def polar(A):
    """The factors U V and V' S V, by `keras.ops.svd`."""
    u, s, vh = ops.svd(require_fixed_size(A), full_matrices=False)
    stretch = ops.matmul(transpose_matrices(vh) * ops.expand_dims(s, -2), vh)
    return ops.matmul(u, vh), stretch


def apply_reflections(columns: Tensor, factors: Tensor, order: Sequence[int], x: Tensor) -> Tensor:
    """Return `x` after Householder reflections, in `order`.

    Column k is taken for one at k and zero above; `factors` has the tau of LAPACK, (..., number of
    reflections).
    """
    rows = torch.arange(columns.shape[-2])
    for k in order:
        below, at = as_constant(rows > k), as_constant(rows == k)
        column = columns[..., k] * ops.cast(below, x.dtype) + ops.cast(at, x.dtype)
        column = ops.expand_dims(column, -1)
        across = ops.matmul(transpose_matrices(column), x)
        x = x - ops.matmul(column, across) * factors[..., k : k + 1, None]
    return x


@lowering(aten.linalg_householder_product.default)
def householder_product(x, tau):
    """The reflections applied to the identity, the last one first, by `keras.ops.matmul`."""
    unit = ops.zeros_like(x) + ops.eye(*x.shape[-2:], dtype=x.dtype)
    return apply_reflections(x, tau, range(tau.shape[-1])[::-1], unit)


@lowering(aten.ormqr.default)
def ormqr(x, input2, input3, left=True, transpose=False):
    """The reflections applied to a matrix, from the left or the right, by `keras.ops.matmul`."""
    forwards = range(input2.shape[-1])
    order = forwards if transpose == left else forwards[::-1]
    if left:
        return apply_reflections(x, input2, order, input3)
    return transpose_matrices(apply_reflections(x, input2, order, transpose_matrices(input3)))


PADE = (
    17643225600.0, 8821612800.0, 2075673600.0, 302702400.0, 30270240.0, 2162160.0, 110880.0,
    3960.0, 90.0, 1.0,
)  # fmt: skip
"""Coefficients of Pade's approximant of exp, of the degree 9: N. Higham, The scaling and
squaring method for the matrix exponential revisited, SIAM Journal on Matrix Analysis and
Applications 26 (2005)."""


SQUARINGS = 14
"""Norms up to 2 * 2^14 are scaled to below 2; what is larger gives NaN."""


@lowering(aten.linalg_matrix_exp.default)
def matrix_exp(x):
    """The quotient of polynomials exp(A / 2^s), by `keras.ops.solve`, squared s times."""
    norm = ops.max(ops.sum(ops.abs(x), axis=-2, keepdims=True), axis=-1, keepdims=True)
    squarings = ops.maximum(ops.ceil(ops.log2(norm / 2.0)), 0.0)
    scale = ops.where(ops.less_equal(squarings, SQUARINGS), ops.exp2(squarings), float("nan"))
    even, odd = expand_pade(x / scale)
    y = ops.solve(even - odd, even + odd)
    for step in range(SQUARINGS):
        y = ops.where(ops.less(step, squarings), ops.matmul(y, y), y)
    return y


def expand_pade(x: Any) -> tuple[Tensor, Tensor]:
    """Return the even and the odd powers of the numerator of Pade's approximant.

    Its denominator is their difference.
    """
    unit, square = ops.eye(x.shape[-1], dtype=x.dtype), ops.matmul(x, x)
    even, odd = PADE[0] * unit, PADE[1] * unit
    power = square
    for k in range(2, len(PADE), 2):
        if k > 2:
            power = ops.matmul(power, square)
        even, odd = even + power * PADE[k], odd + power * PADE[k + 1]
    return even, ops.matmul(x, odd)
