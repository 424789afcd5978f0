"""What one repetition gives to the next, and loops as data."""

from __future__ import annotations

import pytest

from torch2keras.keras_graph.source.expressions import Fixed, Variable
from torch2keras.keras_graph.source.lines import CallTree, Gap, Line, Read
from torch2keras.keras_graph.source.loops import (
    Carried,
    Loop,
    fill_slots,
    find_carried,
    find_depth,
    find_variables,
    is_clean_behind,
    key_of,
    makes_of,
    reads_of,
    slots_of,
)


def line(reads: list[int], *makes: int, gap: object = 1) -> Line:
    tree = CallTree("ops.f", tuple(map(Read, range(len(reads)))), (("axis", Gap(0, "axis")),))
    return Line(tree, [Fixed(gap)], reads, list(makes), "")


def loop(*items, **columns) -> Loop:
    filled = {name: list(map(Fixed, values)) for name, values in columns.items()}
    return Loop(list(items), Fixed(2), "i", 0, filled, [], [0], [5])


# runs of lines as (reads, makes), what is carried
FLOWS = [
    ([[([0], 1)], [([1], 2)], [([2], 3)]], [Carried(0, 1, 3)]),
    ([[([0, 9], 1)], [([1, 9], 2)]], [Carried(0, 1, 2)]),
    ([[([0], 1), ([1], 2)], [([2], 3), ([3], 4)]], [Carried(0, 2, 4)]),
    ([[([9], 1)], [([9], 2)]], []),
    (
        [[([0], 2), ([1], 3)], [([3], 4), ([2], 5)]],
        [Carried(0, 3, 5), Carried(1, 2, 4)],
    ),
    # reads what the one before the one before made
    ([[([0], 1)], [([0], 2)], [([1], 3)]], None),
    # reads another place of itself
    ([[([0], 1), ([1], 2)], [([2], 3), ([2], 4)]], None),
    # the first value is read in each, and carried too
    ([[([0, 0], 1)], [([1, 0], 2)]], None),
    # one value begins as two
    ([[([0], 1), ([0], 2)], [([1], 3), ([2], 4)]], None),
    ([[([0], 1)], [([1, 1], 2)]], None),
]


@pytest.mark.parametrize(("runs", "carried"), FLOWS)
def test_what_is_carried(runs, carried) -> None:
    lines = [[line(reads, made) for reads, made in run] for run in runs]
    assert find_carried(lines) == carried


def test_what_is_left_out_flows_too() -> None:
    one, two = line([9], 1), line([9], 2)
    one.otherwise, two.otherwise = {1: 0}, {2: 1}
    assert find_carried([[one], [two]]) == [Carried(0, 1, 2)]


def test_nothing_else_is_read_behind() -> None:
    runs = [[line([0], 1)], [line([1], 2)]]
    carried = find_carried(runs)
    assert is_clean_behind(runs, carried, {2, 0}.__contains__)
    assert not is_clean_behind(runs, carried, {1}.__contains__)


def test_slots_are_filled_in_order() -> None:
    item = loop(line([0], 1, gap=3), loop(line([1], 2, gap=4), v=(5, 6)), u=(7, 8))
    values = [value.value for _, value in slots_of(item)]
    assert values == [2, 7, 8, 3, 2, 5, 6, 4]
    new = fill_slots(item, iter([Fixed(value + 10) for value in values]))
    assert [value.value for _, value in slots_of(new)] == [value + 10 for value in values]
    assert key_of(new, {}) == key_of(item, {})
    assert new.repetitions == 12


def test_keys() -> None:
    one, two = line([0], 1, gap=1), line([7], 8, gap=2)
    assert key_of(one, {}) == key_of(two, {})
    assert key_of(one, {one: "condition"}) != key_of(two, {})
    assert key_of(line([0], 1, 2), {}) != key_of(one, {})
    assert key_of(loop(one), {}) != key_of(loop(one, two), {})


def test_what_items_read_and_make() -> None:
    items = [line([0, 1], 2), loop(line([3], 4), loop(line([3], 4)))]
    items[1].items[1].columns["units"] = [Variable("v")]
    assert reads_of(items) == [0, 1, 0]
    assert makes_of(items) == [2, 5]
    assert find_depth(items) == 2
    assert find_variables(items) == {"i", "units"}
