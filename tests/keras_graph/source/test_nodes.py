"""Trees as Python."""

from __future__ import annotations

import pytest

from torch2keras.keras_graph.source.expressions import Fixed, LayerKind, Variable
from torch2keras.keras_graph.source.lines import (
    Append,
    CallTree,
    FunctionName,
    Gap,
    Group,
    Index,
    Layer,
    Line,
    Read,
    Span,
)
from torch2keras.keras_graph.source.nodes import NodeWriter

WRITER = NodeWriter({0: "x", 1: "y"}, {0: "block"})
NONE, ONE, UNITS = Gap(0, "start"), Gap(1, "stop"), Gap(2, "units", "1")
NAME = Gap(3, "name")
DENSE = Layer("Dense", (("units", UNITS), ("use_bias", NONE), ("name", NAME)))
ANY = Layer("", (("kind", Gap(5, "activation")), ("name", NAME)))

GIVEN = Layer("", (("kind", UNITS), ("name", NAME)))

TREES = {
    "x": Read(0),
    "[x, y]": Group(is_list=True, items=(Read(0), Read(1))),
    "(x,)": Group(is_list=False, items=(Read(0),)),
    "()": Group(is_list=False, items=()),
    "x[1]": Index(Read(0), (ONE,), is_tuple=False),
    "x[1,]": Index(Read(0), (ONE,), is_tuple=True),
    "x[:1,]": Index(Read(0), (Span(NONE, ONE, NONE),), is_tuple=True),
    "x[1:, ::1]": Index(Read(0), (Span(ONE, NONE, NONE), Span(NONE, NONE, ONE)), is_tuple=True),
    "x[()]": Index(Read(0), (), is_tuple=True),
    "[*x, y]": Append(Read(0), Read(1)),
    "ops.add(x, y)": CallTree("ops.add", (Read(0), Read(1)), ()),
    "ops.sum(x, axis=1)": CallTree("ops.sum", (Read(0),), (("axis", ONE),)),
    "x(y)": CallTree(Read(0), (Read(1),), ()),
    'layers.Dense(filters, use_bias=None, name="a")(x)': CallTree(DENSE, (Read(0),), ()),
    'block(x, units=filters, name="a")': CallTree(
        0, (Read(0),), (("units", Gap(2, "units")), ("name", NAME))
    ),
    'block(x, filters, name="a")': CallTree(
        0, (Read(0),), (("filters", Gap(2, "filters")), ("name", NAME))
    ),
    'partial(block, name="a")': CallTree(FunctionName(0), (), (("name", NAME),)),
    'layers.ReLU(max_value=6, name="a")': ANY,
    'filters(name="a")': GIVEN,
}

GAPS = [
    Fixed(None),
    Fixed(1),
    Variable("filters"),
    Fixed("a"),
    Fixed(1),
    Fixed(LayerKind("ReLU", (("max_value", 6),))),
]


@pytest.mark.parametrize("text", TREES)
def test_trees(text: str) -> None:
    line = Line(TREES[text], GAPS, [0, 1], [2], "")
    assert WRITER.text(line.tree, line) == text


def test_defaults_are_left_out() -> None:
    tree = CallTree(0, (Read(0),), (("units", Gap(1, "units", "1")), ("name", NAME)))
    assert WRITER.text(tree, Line(tree, GAPS, [0], [2], "")) == 'block(x, name="a")'


def test_the_name_is_given_by_keyword() -> None:
    tree = CallTree(0, (Read(0),), (("name", Gap(0, "name")),))
    line = Line(tree, [Variable("name")], [0], [2], "")
    assert WRITER.text(tree, line) == "block(x, name=name)"


def test_parts() -> None:
    tree = CallTree(DENSE, (Read(0),), ())
    head, arguments, tail = WRITER.parts(tree, Line(tree, GAPS, [0], [2], ""))
    assert (head, tail) == ("layers.Dense", ")(x)")
    assert arguments == ["filters", "use_bias=None", 'name="a"']
