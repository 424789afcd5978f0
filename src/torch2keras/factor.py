"""Symbolic factorisations of dimensions: the arithmetic beneath `infer_axes`.

A dimension of size 12 that is viewed as (3, 4) has the factors (3, 4). Sizes may be sympy expressions; whether two are
equal, or one divides the other, is decided exactly, and only their order along the way by the example's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import sympy

from torch2keras.ir import Size

Hint = Callable[[Size], int]


def product(sizes: Sequence[Size]) -> Size:
    """The product; 1 for none."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return simple(total)


@lru_cache(maxsize=65536)
def simple(size: Size) -> Size:
    """One canonical form, so that equal sizes compare equal: an int where it is one, else expanded."""
    if isinstance(size, int):
        return size
    expanded = sympy.expand(size)
    return int(expanded) if expanded.is_Integer else expanded


def static(size: Size) -> int | None:
    """The size where it is a number, None where it is dynamic: as Keras writes shapes."""
    size = simple(size)
    return size if isinstance(size, int) else None


@lru_cache(maxsize=65536)
def quotient(size: Size, by: Size) -> Size | None:
    """Size / by where that is a whole number for all values of the symbols, else None."""
    if by == 0:
        return None
    if isinstance(size, int) and isinstance(by, int):
        return None if size % by else size // by
    ratio = sympy.cancel(sympy.sympify(size) / by)
    numerator, denominator = ratio.as_numer_denom()
    return simple(numerator) if denominator == 1 else None


def refine(a: Sequence[Size], b: Sequence[Size], hint: Hint) -> tuple[Size, ...] | None:
    """The coarsest common refinement of two factorisations of one number; None where they do not nest (3*4, 2*6).

    None too where the numbers are equal by a fact that only torch.export knows of, as two dynamic sizes whose product
    has to be 72; and where they are zero, which the others of its factors say nothing about.
    """
    if product(a) != product(b):
        return None
    if product(a) == 0:
        return tuple(a) if tuple(a) == tuple(b) else None
    cuts: list[Size] = [1]
    suffixes = {product(f[i:]) for f in (a, b) for i in range(len(f))}
    # Sizes that are equal in the example are told apart by their symbols: 4 divides 4*n, also where n is 1 there.
    for cut in sorted(suffixes - {1}, key=lambda cut: (hint(cut), len(sympy.sympify(cut).free_symbols), str(cut))):
        if quotient(cut, cuts[-1]) is None:
            return None
        cuts.append(cut)
    factors = [quotient(high, low) for low, high in pairwise(cuts)]
    return tuple(f for f in reversed(factors) if f is not None)


def view_groups(a: Sequence[Size], b: Sequence[Size], hint: Hint) -> list[tuple[list[int], list[int]]]:
    """Minimal runs of dimensions of two shapes with equal products; a dimension of size one is a run of its own.

    What one shape has left belongs to the last run: dynamic sizes that are one in the example, and have to be.
    """
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(a) or j < len(b):
        if i < len(a) and a[i] == 1:
            groups.append(([i], []))
            i += 1
            continue
        if j < len(b) and b[j] == 1:
            groups.append(([], [j]))
            j += 1
            continue
        if i == len(a) or j == len(b):
            left, right = groups[-1] if groups else ([], [])
            groups[-1:] = [([*left, i], right) if i < len(a) else (left, [*right, j])]
            i, j = (i + 1, j) if i < len(a) else (i, j + 1)
            continue
        i, j = _close_run(a, b, i, j, hint, groups)
    return groups


def _close_run(
    a: Sequence[Size], b: Sequence[Size], i: int, j: int, hint: Hint, groups: list[tuple[list[int], list[int]]]
) -> tuple[int, int]:
    left, right = [i], [j]
    x, y = simple(a[i]), simple(b[j])
    i, j = i + 1, j + 1
    while x != y and (i < len(a) or j < len(b)):
        if (hint(x) <= hint(y) and i < len(a)) or j >= len(b):
            left.append(i)
            x = simple(x * a[i])
            i += 1
        else:
            right.append(j)
            y = simple(y * b[j])
            j += 1
    groups.append((left, right))
    return i, j
