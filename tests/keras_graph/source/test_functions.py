"""Functions and their calls."""

from __future__ import annotations

from torch2keras.keras_graph.source.expressions import NAME, Condition, Fixed, Text, Variable
from torch2keras.keras_graph.source.functions import Function, call_line, make_function
from torch2keras.keras_graph.source.lines import CallTree, Gap, Line, Read
from torch2keras.keras_graph.source.templates import Body, merge, start_template


def make_body(path: str, units: int, first: int, *, down: bool = False) -> Body:
    lines = []
    value = first
    for place, name in enumerate(["up"] + ["down"] * down + ["end"]):
        pairs = (("units", Gap(0, "units")), ("name", Gap(1, "name")))
        gaps = [Fixed(units), Fixed(f"{path}_{name}")]
        tree = CallTree(f"ops.{name}", (Read(0),), pairs)
        lines.append(Line(tree, gaps, [value], [first + place + 1], f"{path}.{name}"))
        value = first + place + 1
    return Body(path, lines, [first], [value])


def make(*bodies: Body) -> Function:
    template = start_template(bodies[0])
    for body in bodies[1:]:
        merged = merge(template, body)
        assert merged is not None
        template = merged
    return make_function(7, "Block", template, {}, {})


def test_names_begin_with_the_name() -> None:
    bodies = make_body("a", 8, 0), make_body("b", 9, 10)
    function = make(*bodies)
    assert [line.gaps for line in function.lines] == [
        [Variable("units"), Text((NAME, "_up"))],
        [Variable("units"), Text((NAME, "_end"))],
    ]
    assert bodies[0].lines[0].gaps[1] == Fixed("a_up")


def test_a_call() -> None:
    function = make(make_body("a", 8, 0), make_body("b", 9, 10))
    line = call_line(function, 1)
    assert isinstance(line.tree, CallTree)
    assert (line.tree.function, [key for key, _ in line.tree.kwargs]) == (7, ["units", "name"])
    assert (line.gaps, line.reads, line.makes) == ([Fixed(9), Fixed("b")], [10], [12])


def test_an_option() -> None:
    function = make(make_body("a", 8, 0), make_body("b", 8, 10, down=True))
    (line,) = function.conditions
    assert function.conditions[line] == Condition("down")
    assert function.variables == {"down", "name"}
    calls = [call_line(function, piece) for piece in (0, 1)]
    assert [call.gaps[0] for call in calls] == [Fixed(value=False), Fixed(value=True)]
    assert calls[0].slots[0][0].default == "False"
