"""What differs among pieces becomes arguments, and what goes along with them is told by them."""

from __future__ import annotations

import pytest

from torch2keras.keras_graph.source.arguments import ArgumentCollector, Parameter
from torch2keras.keras_graph.source.expressions import (
    NAME,
    ChannelCondition,
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


def collect(*lines, channels=(), **more):
    """Return the gaps and the collector; `channels` are those of the input in each piece."""
    template = make_template(*lines, **more)
    template.bindings = [{0: number} for number in range(len(template.bodies))]
    collector = ArgumentCollector(template, {}, dict(enumerate(channels)))
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
        {"data_format": ["same", "valid", "same"], "strides": [1, 2, 1]},
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
    assert filled[1] == [Text((NAME, "_", Scaled("k", 1, 1)))]
    assert collector.locals == {"k": Choice(Condition("down"), Fixed(1), Fixed(0))}


def test_numbers_behind_two_options_are_counted_from_the_first() -> None:
    first = [Text((NAME, f"_{number}")) for number in (0, 1, 0, 1)]
    last = [Text((NAME, f"_{number}")) for number in (1, 2, 2, 3)]
    filled, collector = collect(
        {"units": [None, 8, None, 8]},
        {"name": first},
        {"units": [None, None, 8, 8]},
        {"name": last},
        paths=("down", "", "up", ""),
    )
    assert filled[1] == [Text((NAME, "_", Variable("k")))]
    assert filled[3] == [Text((NAME, "_", Variable("m")))]
    assert collector.locals["m"] == Choice(Condition("up"), Scaled("k", 1, 2), Scaled("k", 1, 1))


def test_an_argument_may_be_none_where_lines_are_left_out() -> None:
    _, collector = collect({"units": [None, 8, 9]}, {"rate": [None, 0.25, 0.5]})
    assert collector.find_presence(collector.template.lines[0]) == Condition("units")
    assert collector.find_presence(collector.template.lines[1]) == Condition("units")
    units = collector.parameter("units")
    assert units == Parameter("units", (Fixed(None), Fixed(8), Fixed(9)), Fixed(None))
    assert collector.parameter("rate").default is None


def test_a_zero_is_not_taken_for_none() -> None:
    _, collector = collect({"units": [None, 0, 9]})
    assert collector.find_presence(collector.template.lines[0]) == Condition("with_f")


# where the second line runs; strides; the condition; channels are (4, 8, 12), filters (4, 4, 12)
CHANNELS = [
    ([None, 1, None], [1, 1, 1], ChannelCondition(0, "!=", "filters")),
    ([1, None, 1], [1, 1, 1], ChannelCondition(0, "==", "filters")),
    (
        [1, None, None],
        [1, 1, 2],
        ChannelCondition(0, "==", "filters", Condition("strides", "==", 1)),
    ),
]


@pytest.mark.parametrize(("option", "strides", "condition"), CHANNELS)
def test_an_option_that_the_channels_tell(option, strides, condition) -> None:
    lines = {"filters": [4, 4, 12], "strides": strides}, {"axis": option}
    _, collector = collect(*lines, channels=(4, 8, 12))
    ((name, local),) = collector.locals.items()
    assert local == condition
    assert collector.find_presence(collector.template.lines[1]) == Condition(name)
    assert not any(one.startswith("with") or one == "option" for one in collector.columns)


def test_two_pieces_say_nothing_of_channels() -> None:
    lines = {"filters": [4, 4]}, {"axis": [None, 1]}
    _, collector = collect(*lines, channels=(4, 8))
    assert not collector.locals


def test_the_padding_beside_strides_is_a_local_variable() -> None:
    filled, collector = collect({"strides": [1, 2, 1], "padding": ["same", "valid", "same"]})
    assert filled == [[Variable("strides"), Variable("pad")]]
    choice = Choice(Condition("strides", ">", 1), Fixed("valid"), Fixed("same"))
    other = Choice(Condition("strides", "==", 1), Fixed("same"), Fixed("valid"))
    assert collector.locals["pad"] in (choice, other)


def test_an_end_of_names_is_chosen() -> None:
    names = [Text((NAME,)), Text((NAME, "_drop")), Text((NAME,))]
    filled, _ = collect({"units": [None, 8, None]}, {"name": names}, paths=("down", ""))
    assert filled[1] == [Choice(Condition("down"), names[1], names[0])]


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
