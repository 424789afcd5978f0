"""Bodies of functions: options, loops, and names of values that are alive together."""

from __future__ import annotations

from itertools import count

import pytest

from source_graphs import Maker, Value
from torch2keras.keras_graph.source.expressions import Condition, Fixed, Variable
from torch2keras.keras_graph.source.lines import Line, make_lines
from torch2keras.keras_graph.source.loops import Carried, Loop
from torch2keras.keras_graph.source.writer import BodyWriter, last_reads


def lines_of(maker: Maker) -> list[Line]:
    return [line for group in make_lines(maker.calls, count(100)) for line in group]


def write(maker: Maker, *outs: int, conditions=None, items=None, reserved=()) -> list[str]:
    """Return the body of a function of the maker's inputs, and what it returns."""
    lines = items or lines_of(maker)
    named = {lines[place]: one for place, one in (conditions or {}).items()}
    writer = BodyWriter({}, named, reserved)
    writer.name_inputs(range(len(maker.inputs)), lines)
    writer.write(lines, outs, [], 0)
    return [*writer.lines, "return " + ", ".join(writer.names[value] for value in outs)]


def test_a_chain_is_x() -> None:
    maker = Maker()
    x = maker.op("tanh", maker.op("exp", 0))
    assert write(maker, x) == ["x = ops.exp(x)", "x = ops.tanh(x)", "return x"]


def test_a_branch_is_y() -> None:
    maker = Maker()
    y = maker.op("exp", 0)
    assert write(maker, maker.op("add", 0, y))[0] == "y = ops.exp(x)"


def test_what_is_not_read_is_an_underscore() -> None:
    maker = Maker()
    x, _ = maker.op("split", 0, Value(2), count=2)
    assert write(maker, x)[0] == "x, _ = ops.split(x, 2)"


def test_no_value_has_a_name_that_is_taken() -> None:
    maker = Maker()
    one = maker.op("exp", 0, path="filters")
    body = write(maker, maker.op("add", 0, one, path="x"), reserved={"y", "z", "filters"})
    assert body[0] == "filters_b = ops.exp(x)"
    maker = Maker()
    one = maker.op("exp", 0)
    assert write(maker, one, reserved={"x"})[0] == "y = ops.exp(y)"


def option_maker() -> Maker:
    maker = Maker()
    y = maker.op("exp", 0)
    maker.op("add", y, maker.op("tanh", 0))
    return maker


def test_an_option_replaces_a_value() -> None:
    maker = option_maker()
    lines = lines_of(maker)
    lines[1].otherwise = {2: 0}
    body = write(maker, 3, items=lines, conditions={1: Condition("down")})
    wanted = ["y = ops.exp(x)", "if down:", "    x = ops.tanh(x)", "x = ops.add(y, x)", "return x"]
    assert body == wanted


def test_an_option_whose_value_is_read_on_gets_a_name_of_its_own() -> None:
    maker = option_maker()
    end = maker.op("multiply", 3, 0)
    lines = lines_of(maker)
    lines[1].otherwise = {2: 0}
    body = write(maker, end, items=lines, conditions={1: Condition("down")})
    assert body[1:4] == ["z = x", "if down:", "    z = ops.tanh(x)"]


# which of the two lines stands for the other where it is left out, the value that is read
WAYS = [(0, {1: 2}, 1), (1, {2: 1}, 2)]


@pytest.mark.parametrize(("place", "otherwise", "read"), WAYS)
def test_one_or_the_other(place, otherwise, read) -> None:
    maker = Maker()
    maker.op("exp", 0)
    maker.op("tanh", 0)
    end = maker.op("abs", read)
    lines = lines_of(maker)
    lines[place].otherwise = otherwise
    conditions = {0: Condition("down"), 1: Condition("not down")}
    wanted = ["if down:", "    y = ops.exp(x)", "else:", "    y = ops.tanh(x)", "y = ops.abs(y)"]
    assert write(maker, end, items=lines, conditions=conditions)[:-1] == wanted


def make_loop(maker: Maker, carried: list[Carried]) -> Loop:
    lines = lines_of(maker)
    makes = [one.last for one in carried]
    return Loop(lines, Fixed(3), "i", 0, {}, carried, [0, 1], makes)


def test_a_loop_carries_its_value() -> None:
    maker = Maker("a", "b")
    maker.op("add", 0, 1)
    loop = make_loop(maker, [Carried(0, 2, 9)])
    assert write(maker, 9, items=[loop]) == [
        "for i in range(3):",
        "    x = ops.add(x, y)",
        "return x",
    ]


def test_what_a_loop_begins_with_is_kept_where_it_is_read_behind() -> None:
    maker = Maker("a", "b")
    maker.op("add", 0, 1)
    loop = make_loop(maker, [Carried(0, 2, 9)])
    wanted = ["z = x", "for i in range(3):", "    z = ops.add(z, y)", "return z, x"]
    assert write(maker, 9, 0, items=[loop]) == wanted


def test_a_loop_swaps() -> None:
    maker = Maker("a", "b")
    maker.op("exp", 0)
    maker.op("tanh", 1)
    loop = make_loop(maker, [Carried(0, 3, 9), Carried(1, 2, 8)])
    assert write(maker, 9, 8, items=[loop])[-2:] == ["    x, y = y, x", "return x, y"]


def test_no_value_is_called_as_a_variable_of_a_loop() -> None:
    maker = Maker("a", "b")
    line = maker.op("add", 0, 1)
    loop = make_loop(maker, [Carried(0, line, 9)])
    loop.columns["y"] = [Variable("z")]
    names = write(maker, 9, items=[loop])
    assert names[1] == "    x = ops.add(x, z)"


def test_last_reads() -> None:
    maker = option_maker()
    lines = lines_of(maker)
    assert last_reads(lines, [3], {}) == {0: 1, 1: 2, 2: 2, 3: 3}
    lines[1].otherwise = {2: 7}
    assert last_reads(lines, [3], {})[7] == 2
