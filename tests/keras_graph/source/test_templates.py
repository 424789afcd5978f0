"""Pieces of code are one template where what flows in them is the same."""

from __future__ import annotations

import pytest

from torch2keras.keras_graph.source.expressions import NAME, Fixed, Text
from torch2keras.keras_graph.source.lines import CallTree, Line, Read
from torch2keras.keras_graph.source.templates import (
    Body,
    align,
    count_options,
    merge,
    relative_path,
    rename_within,
    start_template,
)


def make_body(path: str, calls: str, first: int, reads: list[list[int]] | None = None) -> Body:
    """Return a piece that calls ops of one letter in a row; `reads` are its values' numbers."""
    lines = []
    for place, name in enumerate(calls):
        given = [first + place] if reads is None else [first + read for read in reads[place]]
        places = tuple(map(Read, range(len(given))))
        tree = CallTree(f"ops.{name}", places, ())
        lines.append(Line(tree, [Fixed(name)], given, [first + place + 1], path))
    return Body(path, lines, [first], [first + len(calls)])


def test_equal_pieces() -> None:
    template = merge(start_template(make_body("a", "pq", 0)), make_body("b", "pq", 10))
    assert template is not None
    assert [line.rows for line in template.lines] == [[[Fixed("p")]] * 2, [[Fixed("q")]] * 2]
    assert template.bindings[1] == {0: 10, 1: 11, 2: 12}
    assert count_options(template) == 0


@pytest.mark.parametrize("order", [("pq", "pxq"), ("pxq", "pq")])
def test_an_option_in_the_middle(order) -> None:
    first, second = order
    template = merge(start_template(make_body("a", first, 0)), make_body("b", second, 10))
    assert template is not None
    option = template.lines[1]
    assert option.present == (len(first) == 3, len(second) == 3)
    assert len(option.otherwise) == 1
    assert template.lines[2].reads == option.makes
    assert count_options(template) == 1


def test_an_option_at_the_beginning_that_several_pieces_lack() -> None:
    """The first layer of a dense block joins nothing, in the second block as in the first."""
    template = merge(start_template(make_body("a", "pq", 0)), make_body("b", "xpq", 10))
    assert template is not None
    third = merge(template, make_body("c", "pq", 20))
    assert third is not None
    assert third.lines[0].present == (False, True, False)
    assert third.bindings[2][third.ins[0]] == 20


def test_another_flow_is_another_function() -> None:
    one = make_body("a", "pqr", 0, [[0], [0], [1, 2]])
    other = make_body("b", "pqr", 10, [[0], [0], [2, 1]])
    assert merge(start_template(one), other) is None
    same = make_body("b", "pqr", 10, [[0], [0], [1, 2]])
    assert merge(start_template(one), same) is not None


def test_another_number_of_results_is_another_function() -> None:
    other = make_body("b", "pq", 10)
    other.outs = [11, 12]
    assert merge(start_template(make_body("a", "pq", 0)), other) is None


def test_the_input_of_an_option_is_the_result_without_it() -> None:
    """`shortcut = x`, and `if projection: shortcut = conv(x)`."""
    plain = make_body("a", "pr", 0, [[0], [1, 0]])
    projected = make_body("b", "pxr", 10, [[0], [0], [1, 2]])
    template = merge(start_template(plain), projected)
    assert template is not None
    (made,) = template.lines[1].makes
    assert template.lines[1].otherwise == {made: 0}
    assert template.lines[2].reads == [1, made]


def test_alignment_prefers_one_path() -> None:
    template = start_template(make_body("a", "pp", 0))
    template.lines[0].path, template.lines[1].path = "one", "two"
    body = make_body("b", "p", 10)
    body.lines[0].path = "b.two"
    pairs = align(template, body)
    assert [new is not None for _, new in pairs] == [False, True]


def test_paths_and_names_within() -> None:
    assert relative_path("a.b.c", "a.b") == "c"
    assert relative_path("a.bc", "a.b") == ""
    assert relative_path("a", "") == "a"
    assert rename_within(Fixed("a_b"), "a", NAME) == Text((NAME, "_b"))
    assert rename_within(Fixed("a"), "a", NAME) == Text((NAME,))
    assert rename_within(Fixed("ab"), "a", NAME) == Fixed("ab")
    assert rename_within(Fixed(1), "a", NAME) == Fixed(1)


def test_lines_that_make_another_number_of_values_are_not_one() -> None:
    one, other = make_body("a", "pqr", 0), make_body("b", "pqr", 10)
    other.lines[1].makes = [12, 20]
    pairs = align(start_template(one), other)
    assert [new is not None for old, new in pairs if old is not None] == [True, False, True]
    merge(start_template(one), other)
