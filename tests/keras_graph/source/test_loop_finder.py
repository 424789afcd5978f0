"""Runs that repeat become loops, over their number or over a table."""

from __future__ import annotations

from itertools import count

import pytest

from source_graphs import Maker
from torch2keras.keras_graph.source.expressions import (
    NAME,
    Fixed,
    PowerOfTwo,
    Scaled,
    Text,
    Variable,
)
from torch2keras.keras_graph.source.lines import Gap, Line, make_lines
from torch2keras.keras_graph.source.loop_finder import LoopFinder, LoopVariables
from torch2keras.keras_graph.source.loops import Loop

UNITS, LAYER = Gap(0, "units"), Gap(1, "name")

# gap, constants, expression, variables
EXPRESSIONS = [
    (UNITS, [8, 8, 8], Fixed(8), []),
    (UNITS, [8, 16, 32], PowerOfTwo(Scaled("i")), []),
    (UNITS, [3, 5, 9], Variable("units"), ["units"]),
    (UNITS, [8, 16], Variable("units"), ["units"]),
    (UNITS, [8, -16, 32], Variable("units"), ["units"]),
    (UNITS, [True, False, True], Variable("units"), ["units"]),
    (LAYER, ["a1", "a2", "a3"], Text(("a", Variable("i"))), []),
    (LAYER, ["a0", "a3", "a6"], Text(("a", Scaled("i", 3))), []),
    (LAYER, ["a", "b", "c"], Variable("name"), ["name"]),
    (LAYER, ["a1", "a3", "a2"], Variable("name"), ["name"]),
    (LAYER, ["a1", "a1_2", "a3"], Variable("name"), ["name"]),
]


@pytest.mark.parametrize(("gap", "values", "expression", "columns"), EXPRESSIONS)
def test_expressions(gap, values, expression, columns) -> None:
    variables = LoopVariables(len(values), "i", ())
    assert variables.express(gap, list(map(Fixed, values))) == expression
    assert list(variables.columns) == columns
    assert bool(variables.index) == (not columns and expression != Fixed(8))


def test_numbers_begin_with_the_first_name() -> None:
    variables = LoopVariables(3, "i", ())
    names = [Fixed(f"a{number}") for number in (2, 3, 4)]
    more = [Fixed(f"a{number}") for number in (3, 4, 5)]
    assert variables.express(LAYER, names) == Text(("a", Variable("i")))
    assert variables.express(LAYER, more) == Text(("a", Scaled("i", 1, 1)))
    assert variables.start == 2


def test_texts_of_a_function_go_by_the_number() -> None:
    variables = LoopVariables(2, "i", ())
    texts = [Text((NAME, "_1")), Text((NAME, "_2"))]
    assert variables.express(LAYER, texts) == Text((NAME, "_", Variable("i")))
    assert variables.express(LAYER, [Text((NAME, "_a")), Text((NAME, "_b"))]) is None


def test_variables_take_no_name_twice() -> None:
    variables = LoopVariables(2, "i", {"units"})
    assert variables.express(UNITS, [Fixed(3), Fixed(5)]) == Variable("units_a")
    assert variables.express(UNITS, [Fixed(4), Fixed(5)]) == Variable("units_b")
    assert variables.express(UNITS, [Fixed(3), Fixed(5)]) == Variable("units_a")


def lines_of(maker: Maker) -> list[Line]:
    return [line for group in make_lines(maker.calls, count(100)) for line in group]


def make_finder(sizes: list[int], extra: bool = False) -> LoopFinder:
    maker = Maker()
    x = 0
    for place, size in enumerate(sizes):
        x = maker.layer("Dense", x, f"d{place}", units=size)
        x = maker.op("tanh", x)
    outs = [x, 2] if extra else [x]
    return LoopFinder(lines_of(maker), outs, {}, lambda item: 3 if isinstance(item, Loop) else 1)


def test_a_run_is_one_loop() -> None:
    finder = make_finder([3, 5, 9, 3])
    assert not finder.fold(only_equal=True)
    assert finder.fold(only_equal=False)
    (loop,) = finder.items
    assert isinstance(loop, Loop)
    assert (loop.repetitions, loop.index, len(loop.items)) == (4, "i", 2)
    assert [value.value for value in loop.columns["units"]] == [3, 5, 9, 3]
    assert [(one.first, one.made, one.last) for one in loop.carried] == [(0, 2, 8)]
    assert (loop.reads, loop.makes) == ([0], [8])
    assert not finder.fold(only_equal=False)


def test_equal_lines_come_first() -> None:
    finder = make_finder([4, 4, 4, 7])
    other = finder.copy()
    assert finder.fold(only_equal=True)
    assert finder.items[0].repetitions == 3
    assert len(other.items) == 8


def test_what_is_read_behind_stays_out_of_the_loop() -> None:
    finder = make_finder([4, 4, 4, 4, 4], extra=True)
    finder.fold(only_equal=False)
    assert finder.items[0].makes == [1]
    assert 2 in finder.items[1].makes
    assert finder.items[2].repetitions == 4
