"""Factorizations of dimensions: their common refinement, and the groups of a view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import sympy

from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size, size_product, size_quotient

Hint = Callable[[Size], int]
"""Gives a size in the example."""

ViewGroup = tuple[list[int], list[int]]
"""Dimensions before and after a view that hold the same elements: their products are equal."""


def refine_factors(a: Sequence[Size], b: Sequence[Size], hint: Hint) -> tuple[Size, ...] | None:
    """Return the coarsest common refinement of two factorizations of one number.

    4*3 and 2*6 give 2*2*3. None where they do not nest, as 3*4 and 2*6; where the numbers are equal
    by a fact that only torch.export knows of, as two dynamic sizes whose product has to be 72; and
    where they are zero, which the others of its factors say nothing about.
    """
    whole = size_product(a)
    if whole != size_product(b):
        return None
    if whole == 0:
        return tuple(a) if tuple(a) == tuple(b) else None

    def place(cut: Size) -> tuple[int, int, str]:
        # Sizes that are equal in the example are told apart by their symbols: 4 divides 4*n, also
        # where n is 1 there.
        return hint(cut), len(sympy.sympify(cut).free_symbols), str(cut)

    cuts = sorted((_suffix_products(a) | _suffix_products(b)) - {1}, key=place)
    factors: list[Size] = []
    for low, high in pairwise([1, *cuts]):
        factor = size_quotient(high, low)
        if factor is None:
            return None
        factors.append(factor)
    return tuple(reversed(factors))


def _suffix_products(factors: Sequence[Size]) -> set[Size]:
    """Return what the last factors multiply to: the last one, the last two, and so on."""
    return {size_product(factors[start:]) for start in range(len(factors))}


def group_view_dims(a: Sequence[Size], b: Sequence[Size], hint: Hint) -> list[ViewGroup]:
    """Return the minimal runs of dimensions of two shapes with equal products.

    A dimension of size one is a run of its own, or one with that which the other shape has in its
    place. What one shape has left belongs to the last run:
    dynamic sizes that are one in the example, and have to be.
    """
    groups: list[ViewGroup] = []
    i = j = 0
    while i < len(a) or j < len(b):
        if i < len(a) and j < len(b) and a[i] == 1 and b[j] == 1:
            groups.append(([i], [j]))
            i, j = i + 1, j + 1
        elif i < len(a) and a[i] == 1:
            groups.append(([i], []))
            i += 1
        elif j < len(b) and b[j] == 1:
            groups.append(([], [j]))
            j += 1
        elif i < len(a) and j < len(b):
            before, after = _match_run(a, b, i, j, hint)
            groups.append((before, after))
            i, j = i + len(before), j + len(after)
        else:
            before, after = groups.pop() if groups else ([], [])
            if i < len(a):
                groups.append(([*before, i], after))
                i += 1
            else:
                groups.append((before, [*after, j]))
                j += 1
    return groups


def _match_run(a: Sequence[Size], b: Sequence[Size], i: int, j: int, hint: Hint) -> ViewGroup:
    """Return the shortest runs from `i` and `j` on with equal products; else all that is left."""
    before, after = [i], [j]
    left, right = simplify_size(a[i]), simplify_size(b[j])
    i, j = i + 1, j + 1
    while left != right and (i < len(a) or j < len(b)):
        if i < len(a) and (j == len(b) or hint(left) <= hint(right)):
            before.append(i)
            left = simplify_size(left * a[i])
            i += 1
        else:
            after.append(j)
            right = simplify_size(right * b[j])
            j += 1
    return before, after
