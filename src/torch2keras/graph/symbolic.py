"""Symbolic factorisations of dimensions: the arithmetic beneath `infer_axes`.

A dimension of size 12 that is viewed as (3, 4) has the factors (3, 4). Sizes may be sympy
expressions; whether two are equal, or one divides the other, is decided exactly, and only their
order along the way by the example's numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import sympy

from torch2keras.graph.ir import Size


def size_product(sizes: Sequence[Size]) -> Size:
    """Return the product of sizes; 1 for none."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return simplify_size(total)


@lru_cache(maxsize=65536)
def simplify_size(size: Size) -> Size:
    """Return one canonical form, so that equal sizes compare equal: an int, or expanded."""
    if isinstance(size, int):
        return size
    expanded = sympy.expand(size)
    if expanded.is_Integer:
        return int(expanded)
    return expanded


def static_size(size: Size) -> int | None:
    """Return the size where it is a number, None where it is dynamic, as Keras writes shapes."""
    size = simplify_size(size)
    return size if isinstance(size, int) else None


@lru_cache(maxsize=65536)
def size_quotient(size: Size, by: Size) -> Size | None:
    """Return size / by where that is a whole number for all values of the symbols, else None."""
    if by == 0:
        return None
    if isinstance(size, int) and isinstance(by, int):
        return None if size % by else size // by
    ratio = sympy.cancel(sympy.sympify(size) / by)
    numerator, denominator = ratio.as_numer_denom()
    return simplify_size(numerator) if denominator == 1 else None
