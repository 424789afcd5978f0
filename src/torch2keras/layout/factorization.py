"""Factorizations of dimensions: their common refinement, and the groups of a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import sympy

from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size, size_product, size_quotient

Hint = Callable[[Size], int]


def refine_factors(a: Sequence[Size], b: Sequence[Size], hint: Hint) -> tuple[Size, ...] | None:
    """Return the coarsest common refinement of two factorisations of one number.

    None where they do not nest (3*4, 2*6), where the numbers are equal by a fact that only
    torch.export knows of, as two dynamic
    sizes whose product has to be 72; and where they are zero, which the others of its factors say
    nothing about.
    """
    if size_product(a) != size_product(b):
        return None
    if size_product(a) == 0:
        return tuple(a) if tuple(a) == tuple(b) else None

    def rank(cut: Size) -> tuple[int, int, str]:
        # Sizes that are equal in the example are told apart by their symbols: 4 divides 4*n, also
        # where n is 1 there.
        return hint(cut), len(sympy.sympify(cut).free_symbols), str(cut)

    cuts: list[Size] = [1]
    suffixes = _suffix_products(a) | _suffix_products(b)
    for cut in sorted(suffixes - {1}, key=rank):
        if size_quotient(cut, cuts[-1]) is None:
            return None
        cuts.append(cut)
    factors = [size_quotient(high, low) for low, high in pairwise(cuts)]
    return tuple(f for f in reversed(factors) if f is not None)


def _suffix_products(factors: Sequence[Size]) -> set[Size]:
    return {size_product(factors[start:]) for start in range(len(factors))}


def group_view_dims(
    a: Sequence[Size], b: Sequence[Size], hint: Hint
) -> list[tuple[list[int], list[int]]]:
    """Return the minimal runs of dimensions of two shapes with equal products.

    A dimension of size one is a run of its own. What one shape has left belongs to the last run:
    dynamic sizes that are one in the example, and
    have to be.
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
            left, right = groups.pop() if groups else ([], [])
            if i < len(a):
                groups.append(([*left, i], right))
                i += 1
            else:
                groups.append((left, [*right, j]))
                j += 1
            continue
        i, j = _close_run(a, b, i, j, hint, groups)
    return groups


def _close_run(
    a: Sequence[Size],
    b: Sequence[Size],
    i: int,
    j: int,
    hint: Hint,
    groups: list[tuple[list[int], list[int]]],
) -> tuple[int, int]:
    left, right = [i], [j]
    x, y = simplify_size(a[i]), simplify_size(b[j])
    i, j = i + 1, j + 1
    while x != y and (i < len(a) or j < len(b)):
        if (hint(x) <= hint(y) and i < len(a)) or j >= len(b):
            left.append(i)
            x = simplify_size(x * a[i])
            i += 1
        else:
            right.append(j)
            y = simplify_size(y * b[j])
            j += 1
    groups.append((left, right))
    return i, j
