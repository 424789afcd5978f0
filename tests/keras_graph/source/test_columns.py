"""What one column of constants says of another."""

from __future__ import annotations

import pytest

from torch2keras.keras_graph.source.columns import (
    agree,
    covers,
    evaluate,
    fill_column,
    find_condition,
    find_ratio,
    is_half,
    is_integer,
    map_known,
    values_of,
    yield_pairs,
)
from torch2keras.keras_graph.source.expressions import Condition, Fixed, Variable


def column(*values) -> list[Fixed | None]:
    return [None if value is None else Fixed(value) for value in values]


def test_values() -> None:
    assert values_of(column(1, None, 2)) == [Fixed(1), Fixed(2)]
    assert list(yield_pairs(column(1, None, 2), column(3, 4, None))) == [(Fixed(1), Fixed(3))]
    assert map_known(str, [1, None]) == ["1", None]
    assert fill_column(column(1, None, None), column(9, 2, None)) == column(1, 2, None)


# function, column, other, result
PAIRS = [
    (agree, (1, 2, None), (1, 2, 5), True),
    (agree, (1, 1), (1, 1), False),
    (agree, (1, None), (1, 2), False),
    (agree, (1, 2), (1, 3), False),
    (find_ratio, (8, 16), (2, 4), 4),
    (find_ratio, (8, None), (2, 4), 4),
    (find_ratio, (8, 16), (8, 16), None),
    (find_ratio, (8, 16), (2, 8), None),
    (find_ratio, (7, 16), (2, 4), None),
    (find_ratio, (8, 16), (0, 4), None),
    (find_ratio, (8.0, 16.0), (2, 4), None),
    (find_ratio, (True, True), (1, 1), None),
    (is_half, (1, 2), (3, 5), True),
    (is_half, (1, 1), (3, 3), False),
    (is_half, (1, 3), (3, 5), False),
    (is_half, (1, 2), (3, None), False),
    (covers, (1, 2), (1, None), True),
    (covers, (1, None), (1, 2), False),
]


@pytest.mark.parametrize(("ask", "one", "other", "result"), PAIRS)
def test_two_columns(ask, one, other, result) -> None:
    assert ask(column(*one), column(*other)) == result


def test_whole_numbers() -> None:
    assert is_integer(column(1, None))
    assert not is_integer(column(1, True))
    assert not is_integer([Variable("x")])


# values of the variable, wanted, condition
CONDITIONS = [
    ((1, 2, 2), (False, True, True), Condition("v", ">", 1)),
    ((1, 2, 3), (True, False, None), Condition("v", "==", 1)),
    ((True, False), (True, False), Condition("v")),
    ((True, False), (False, True), None),
    ((1, 2), (None, None), Condition("v", ">", 1)),
    ((1, 2, 3), (False, True, False), None),
    ((1, None), (False, True), None),
    (("a", "b"), (False, True), None),
]


@pytest.mark.parametrize(("values", "wanted", "result"), CONDITIONS)
def test_conditions(values, wanted, result) -> None:
    assert find_condition("v", column(*values), wanted) == result


def test_evaluation() -> None:
    assert evaluate(Condition("v", ">", 1), 2)
    assert not evaluate(Condition("v", "==", 1), 2)
    assert not evaluate(Condition("v"), value=False)
