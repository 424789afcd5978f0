"""What differs among pieces becomes arguments, and what goes along with them is told by them."""

from __future__ import annotations

import pytest

from torch2keras.keras_graph.source.arguments import ArgumentCollector, Parameter
from torch2keras.keras_graph.source.expressions import (
    NAME,
    Choice,
    Condition,
    Fixed,
    LayerKind,
    Scaled,
    Text,
    Variable,
)
from torch2keras.keras_graph.source.lines import CallTree, Gap, Read
from torch2keras.keras_graph.source.templates import Body, Template, TemplateLine


def make_template(*lines: dict[str, list], paths: tuple[str, ...] = ()) -> Template:
    """Return lines with a gap for each key and its values; a line of None is not there."""
    shown = []
    pieces = 0
    for place, columns in enumerate(lines):
        gaps = tuple((key, Gap(k, key, "1")) for k, key in enumerate(columns))
        rows = []
        for row in zip(*columns.values(), strict=True):
            values = [one if isinstance(one, Text) else Fixed(one) for one in row]
            rows.append(None if row[0] is None else values)
        pieces = len(rows)
        path = paths[place] if paths else ""
        tree = CallTree("ops.f", (Read(0),), gaps)
        shown.append(TemplateLine(tree, [place], [place + 1], path, rows))
    bodies = [Body(f"b{number}", [], [], []) for number in range(pieces)]
    return Template(shown, [0], [len(lines)], bodies, [{}] * pieces)


def collect(*lines, **more):
    collector = ArgumentCollector(make_template(*lines, **more), {})
    return [line.gaps for line in collector.fill()], collector


# columns of one line, what stands in its gaps, the arguments
CASES = {
    "equal": ({"units": [8, 8, 8]}, [Fixed(8)], []),
    "different": ({"units": [8, 9, 8]}, [Variable("units")], ["units"]),
    "the same twice": (
        {"units": [8, 9, 8], "size": [8, 9, 8]},
        [Variable("units"), Variable("units")],
        ["units"],
    ),
    "a multiple": (
        {"size": [32, 36, 32], "units": [8, 9, 8]},
        [Scaled("units", 4), Variable("units")],
        ["units"],
    ),
    "a part": (
        {"units": [32, 36, 32], "size": [8, 9, 8]},
        [Variable("units"), Scaled("units", divisor=4)],
        ["units"],
    ),
    "a half": (
        {"kernel_size": [3, 5, 3], "padding": [1, 2, 1]},
        [Variable("kernel_size"), Scaled("kernel_size", divisor=2)],
        ["kernel_size"],
    ),
    "a choice": (
        {"padding": ["same", "valid", "same"], "strides": [1, 2, 1]},
        [
            Choice(Condition("strides", "==", 1), Fixed("same"), Fixed("valid")),
            Variable("strides"),
        ],
        ["strides"],
    ),
    "a layer is no choice": (
        {"activation": [LayerKind("ReLU", ()), LayerKind("ELU", ()), LayerKind("ReLU", ())]},
        [Variable("activation")],
        ["activation"],
    ),
    "a number in a name": (
        {"name": ["a1_x", "a2_x", "a4_x"]},
        [Text(("a", Variable("index"), "_x"))],
        ["index"],
    ),
    "whole names": ({"name": ["a", "b", "c"]}, [Variable("name_value")], ["name_value"]),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    columns, gaps, arguments = CASES[name]
    filled, collector = collect(columns)
    assert filled == [gaps]
    assert list(collector.columns) == arguments


def test_an_option() -> None:
    filled, collector = collect(
        {"axis": [1, 1, 1]}, {"units": [None, 8, None]}, paths=("conv", "down.0")
    )
    assert filled == [[Fixed(1)], [Fixed(8)]]
    assert collector.find_presence(collector.template.lines[1]) == Condition("down")
    values = (Fixed(value=False), Fixed(value=True), Fixed(value=False))
    assert collector.parameter("down") == Parameter("down", values, Fixed(value=False))


def test_an_option_that_an_argument_tells() -> None:
    _, collector = collect({"strides": [1, 2, 1]}, {"units": [None, 8, None]})
    assert collector.find_presence(collector.template.lines[1]) == Condition("strides", ">", 1)
    assert list(collector.columns) == ["strides"]


def test_the_opposite_of_an_option() -> None:
    _, collector = collect(
        {"units": [None, 8, 8]}, {"units": [8, None, None]}, paths=("down", "up")
    )
    conditions = [collector.find_presence(line) for line in collector.template.lines]
    assert conditions == [Condition("down"), Condition("not down")]


def test_numbers_behind_an_option_are_shifted() -> None:
    names = [Text((NAME, "_1")), Text((NAME, "_2")), Text((NAME, "_1"))]
    filled, collector = collect({"units": [None, 8, None]}, {"name": names}, paths=("down", ""))
    assert filled[1] == [Text((NAME, "_", Scaled("shift", 1, 1)))]
    assert collector.shifts == {"shift": Condition("down")}


def test_arguments_with_one_label() -> None:
    _, collector = collect(
        {"units": [2, 3, 7]}, {"units": [5, 3, 4]}, {"size": [9, 2, 4]}, paths=("a.up", "b.to", "c")
    )
    assert list(collector.columns) == ["units", "out_units", "size"]


def test_defaults_are_keras_own() -> None:
    _, collector = collect({"strides": [2, 1, 3]}, {"units": [4, 2, None]})
    assert collector.parameter("strides").default == Fixed(1)
    units = collector.parameter("strides")
    assert units.values == (Fixed(2), Fixed(1), Fixed(3))
