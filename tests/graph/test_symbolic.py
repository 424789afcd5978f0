from __future__ import annotations

import pytest
import sympy

from torch2keras.graph.symbolic import simplify_size, size_product, size_quotient

B, T = sympy.symbols("B T", integer=True, positive=True)

QUOTIENTS = [
    (12, 4, 3),
    (12, 5, None),
    (B * T, T, B),
    (B * T, 2, None),
    (6 * B, 2, 3 * B),
    (B + 1, B, None),
    (B * T + 2 * B, B, T + 2),
]


@pytest.mark.parametrize(("size", "by", "result"), QUOTIENTS)
def test_quotient_is_whole_for_all_values_or_none(size, by, result) -> None:
    assert size_quotient(size, by) == result


def test_equal_sizes_become_equal_expressions() -> None:
    assert simplify_size(B * (T + 2)) == simplify_size(2 * B + T * B)
    assert simplify_size(B * (T - 1) + B - B * T + 3) == 3
    assert isinstance(simplify_size(sympy.Integer(5)), int)
    assert size_product([]) == 1
    assert size_product([2, B, 3]) == 6 * B
