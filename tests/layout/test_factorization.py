"""Factorizations are refined exactly, and the dimensions of a view fall into minimal runs."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from torch2keras.layout.factorization import group_view_dims, refine_factors

B, T = sympy.symbols("B T", integer=True, positive=True)
U = sympy.Symbol("u", integer=True, positive=True)  # measured 1
SIZES = {B: 2, T: 7, U: 1}


def hint(size) -> int:
    return size if isinstance(size, int) else int(size.xreplace(SIZES))


REFINED = [
    ((12,), (3, 4), (3, 4)),
    ((3, 4), (12,), (3, 4)),
    ((3, 4), (2, 6), None),
    ((4, 3), (2, 6), (2, 2, 3)),
    ((B * T,), (B, T), (B, T)),
    ((B, T), (T, B), None),
    ((B, 2 * T), (2 * B, T), (B, 2, T)),
    ((B, 6 * T), (3 * B, 2 * T), (B, 3, 2 * T)),
    ((6,), (6,), (6,)),
    ((4 * U,), (U, 2, 2), (U, 2, 2)),
    ((U, 4), (4 * U,), (U, 4)),
    ((T,), (7,), None),
    ((2, T), (14,), None),
    ((2, T), (2,), None),
    ((2, 0, 0), (0,), None),
    ((2, 0), (2, 0), (2, 0)),
]


@pytest.mark.parametrize(("a", "b", "fine"), REFINED)
def test_refine(a, b, fine) -> None:
    assert refine_factors(a, b, hint) == fine


def test_sizes_that_are_equal_only_in_the_example_are_not_equal() -> None:
    assert refine_factors((B, 2), (2, B), hint) is None  # B measured 2
    assert group_view_dims((B, 3), (2, 3), hint) != [([0], [0]), ([1], [1])]


GROUPS = [
    ((2, 12), (2, 3, 4), [([0], [0]), ([1], [1, 2])]),
    ((2, 3, 4), (2, 12), [([0], [0]), ([1, 2], [1])]),
    ((1, 5), (5, 1), [([0], []), ([1], [0]), ([], [1])]),
    ((7, 1, 5), (7, 1, 5), [([0], [0]), ([1], [1]), ([2], [2])]),
    ((1, 1, 5), (1, 5), [([0], [0]), ([1], []), ([2], [1])]),
    ((3, 4), (2, 6), [([0, 1], [0, 1])]),
    ((B, T, 5), (B * T, 5), [([0, 1], [0]), ([2], [1])]),
    ((B * T, 5), (B, T, 5), [([0], [0, 1]), ([1], [2])]),
    ((B, T), (T, B), [([0, 1], [0, 1])]),
    ((), (1,), [([], [0])]),
    ((3, T), (3,), [([0, 1], [0])]),
    ((3,), (3, 1, T), [([0], [0]), ([], [1, 2])]),
    ((T,), (), [([0], [])]),
]


@pytest.mark.parametrize(("a", "b", "groups"), GROUPS)
def test_view_groups(a, b, groups) -> None:
    assert group_view_dims(a, b, hint) == groups


factors = st.lists(st.integers(2, 6), min_size=1, max_size=4)


def prefixes(run) -> set[int]:
    return {math.prod(run[:i]) for i in range(len(run) + 1)}


@given(factors, st.randoms(use_true_random=False))
def test_a_refinement_has_the_cuts_of_both_and_no_more(a, random) -> None:
    b = regrouped(a, random)
    fine = refine_factors(a, b, hint)
    cuts = sorted({math.prod(run[i:]) for run in (a, b) for i in range(len(run) + 1)})
    nests = all(high % low == 0 for low, high in pairwise(cuts))
    assert (fine is not None) == nests
    if fine is not None:
        assert sorted({math.prod(fine[i:]) for i in range(len(fine) + 1)}) == cuts


@given(factors, st.randoms(use_true_random=False))
def test_groups_have_equal_products_and_cannot_be_cut(a, random) -> None:
    b = regrouped(a, random)
    groups = group_view_dims(a, b, hint)
    assert [i for left, _ in groups for i in left] == list(range(len(a)))
    assert [j for _, right in groups for j in right] == list(range(len(b)))
    for left, right in groups:
        x, y = [a[i] for i in left], [b[j] for j in right]
        assert math.prod(x) == math.prod(y)
        assert prefixes(x) & prefixes(y) == {1, math.prod(x)}


def regrouped(run, random) -> list[int]:
    """Another factorisation of the same number."""
    rest, out = math.prod(run), []
    while rest > 1:
        out.append(random.choice([d for d in range(2, rest + 1) if rest % d == 0]))
        rest //= out[-1]
    return out
