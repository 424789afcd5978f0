"""Columns: what stands in one gap in each of several pieces, and what one column says of another.

A piece that lacks the line has None; nothing is asked of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import starmap
from operator import eq
from typing import Any, TypeAlias, TypeVar

from torch2keras.keras_graph.source.expressions import Condition, Expression, Fixed

Column: TypeAlias = Sequence[Expression | None]
"""A gap in each piece; None where the piece lacks the line."""


Old = TypeVar("Old")
New = TypeVar("New")


def yield_pairs(column: Column, other: Column) -> Iterator[tuple[Expression, Expression]]:
    """Yield what both have for each piece in which they both have something."""
    for a, b in zip(column, other, strict=True):
        if a is not None and b is not None:
            yield a, b


def map_known(change: Callable[[Any], New], values: Iterable[Any]) -> list[New | None]:
    """Return what `change` makes of each value, and None where there is None."""
    return [None if value is None else change(value) for value in values]


def values_of(column: Iterable[Old | None]) -> list[Old]:
    """Return what a column has for those pieces that have the line."""
    return [value for value in column if value is not None]


def is_integer(column: Column) -> bool:
    """Whether a column has nothing but whole numbers."""
    known: list[Expression] = values_of(column)
    return None not in map(_integer, known)


def agree(column: Column, other: Column) -> bool:
    """Whether two columns are equal where both are known, and say something by that."""
    both = list(yield_pairs(column, other))
    return all(starmap(eq, both)) and len(set(both)) > 1


def fill_column(column: Column, other: Column) -> Column:
    """Return a column with the other's values where it has none."""
    return [b if a is None else a for a, b in zip(column, other, strict=True)]


def find_ratio(column: Column, other: Column) -> int | None:
    """Return the whole number above one that makes one column of another."""
    found = set()
    for a, b in yield_pairs(column, other):
        product, number = _integer(a), _integer(b)
        if product is None or number is None or number <= 0 or product % number:
            return None
        found.add(product // number)
    if len(found) != 1 or min(found) <= 1:
        return None
    return found.pop()


def covers(column: Column, other: Column) -> bool:
    """Whether a column has a value wherever the other has one."""
    return len(list(yield_pairs(column, other))) == len(values_of(other))


def is_half(column: Column, other: Column) -> bool:
    """Whether numbers are half of others, rounded down, as the padding of a kernel is."""
    found = set()
    for a, b in yield_pairs(column, other):
        half, number = _integer(a), _integer(b)
        if half is None or number is None or half != number // 2:
            return False
        found.add((half, number))
    return len(found) > 1 and covers(other, column)


def _integer(value: Expression | None) -> int | None:
    """Return the whole number that an expression is, if it is one; True and False are none."""
    if isinstance(value, Fixed) and type(value.value) is int:
        return value.value
    return None


def find_condition(name: str, column: Column, wanted: Sequence[bool | None]) -> Condition | None:
    """Return a condition such as `strides > 1` that holds for the wanted pieces alone.

    `name` is the variable whose values the column has; None in `wanted` stands for either.
    """
    numbers = [value.value for value in column if isinstance(value, Fixed)]
    kinds = set(map(type, numbers))
    if len(numbers) < len(column) or not kinds <= {int, bool}:
        return None
    conditions = [Condition(name, ">", 1), Condition(name, "==", 1)]
    if kinds == {bool}:
        conditions = [Condition(name)]
    for condition in conditions:
        pairs = zip(numbers, wanted, strict=True)
        if all(want is None or evaluate(condition, number) == want for number, want in pairs):
            return condition
    return None


def evaluate(condition: Condition, value: Any) -> bool:
    """Return whether a condition holds for a value of its variable."""
    match condition.operator:
        case ">":
            return bool(value > condition.value)
        case "==":
            return bool(value == condition.value)
    return bool(value)
