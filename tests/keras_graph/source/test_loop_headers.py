"""The first lines of loops."""

from __future__ import annotations

import pytest

from torch2keras.keras_graph.source.expressions import Fixed, Variable
from torch2keras.keras_graph.source.lines import CallTree, Gap, Line, Read
from torch2keras.keras_graph.source.loop_headers import (
    find_splat_columns,
    find_variable_arguments,
    measure_height,
    write_loop_header,
    write_rows_header,
)
from torch2keras.keras_graph.source.loops import Loop


def call(*keys: str, gaps: list | None = None) -> Line:
    pairs = tuple((key, Gap(place, key)) for place, key in enumerate(keys))
    return Line(CallTree(0, (Read(0),), pairs), gaps or list(map(Variable, keys)), [0], [1], "")


def make_loop(index: str, start: int, items=(), count=None, **columns) -> Loop:
    filled = {name: list(map(Fixed, values)) for name, values in columns.items()}
    return Loop(list(items), count or Fixed(3), index, start, filled, [], [0], [1])


HEADERS = {
    "for _ in range(3):": make_loop("", 0),
    "for i in range(3):": make_loop("i", 0),
    "for i in range(2, 5):": make_loop("i", 2),
    "for i in range(depth):": make_loop("i", 0, count=Variable("depth")),
    "for i in range(2, 2 + depth):": make_loop("i", 2, count=Variable("depth")),
    "for units in [1, 2]:": make_loop("", 0, units=[1, 2]),
    "for i, units in enumerate([1, 2]):": make_loop("i", 0, units=[1, 2]),
    "for a, b in [(1, 3), (2, 4)]:": make_loop("", 0, a=[1, 2], b=[3, 4]),
    "for i, (a, b) in enumerate([(1, 3), (2, 4)], 1):": make_loop("i", 1, a=[1, 2], b=[3, 4]),
}


@pytest.mark.parametrize("text", HEADERS)
def test_headers(text: str) -> None:
    assert write_loop_header(HEADERS[text], 4) == [f"    {text}"]


def test_a_long_table_stands_before() -> None:
    lines = write_loop_header(make_loop("i", 0, a=range(10**9, 10**9 + 9), b=range(9)), 0)
    assert lines[0] == "rows = ["
    assert lines[1] == "    (1000000000, 0),"
    assert lines[-2:] == ["]", "for i, (a, b) in enumerate(rows):"]


@pytest.mark.parametrize("index", ["", "i"])
def test_many_variables_stand_one_a_line(index: str) -> None:
    names = {f"{'v' * 30}{letter}": [1, 2] for letter in "abcd"}
    lines = write_loop_header(make_loop(index, 0, **names), 0)
    assert max(map(len, lines)) <= 100
    compile("\n".join([*lines, "    pass"]), "<test>", "exec")


COLUMNS = {"a": [1, 2], "b": [3, 4], "c": [5, 6], "name": ["p", "q"]}


def test_a_call_takes_a_row() -> None:
    line = call("a", "b", "c", "name")
    loop = make_loop("", 0, [line], **COLUMNS)
    assert find_variable_arguments(line) == {key: key for key in COLUMNS}
    columns = find_splat_columns(loop)
    assert columns == ["a", "b", "c", "name"]
    assert write_rows_header(loop, columns, 0) == [
        "# a, b, c, name",
        "rows = [",
        '    (1, 3, 5, "p"),',
        '    (2, 4, 6, "q"),',
        "]",
        "for *row, name in rows:",
    ]
    assert measure_height(loop, {0: "block"}) == 7


def test_rows_without_names() -> None:
    columns = {**COLUMNS, "d": [0, 0]}
    del columns["name"]
    loop = make_loop("i", 1, [call("a", "b", "c", "d")], **columns)
    assert write_rows_header(loop, list(columns), 0)[-1] == "for i, row in enumerate(rows, 1):"


# items, columns
NO_ROWS = [
    ([call("b", "a", "c", "name"), call("a")], COLUMNS),
    ([call("x", "a", "b", "c", gaps=[Fixed(1), *map(Variable, "abc")])], COLUMNS),
    ([call("a", "b", "c", "name")], {"a": [1, 2]}),
]


@pytest.mark.parametrize(("items", "columns"), NO_ROWS)
def test_where_no_row_is_given(items, columns) -> None:
    assert find_splat_columns(make_loop("", 0, items, **columns)) == []


def test_heights() -> None:
    assert measure_height(call("a"), {0: "block"}) == 1
    assert measure_height(call("a", "b"), {0: "block" * 30}) == 3
    assert measure_height(make_loop("", 0, [call("a"), call("b")]), {0: "block"}) == 3
