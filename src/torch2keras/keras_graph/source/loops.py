"""Loops as data: what stands in one repetition, what differs, and what flows to the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeAlias

from torch2keras.keras_graph.source.expressions import Expression, Fixed
from torch2keras.keras_graph.source.lines import Gap, Line


@dataclass(frozen=True)
class Carried:
    """A value that each repetition takes from the one before."""

    first: int
    """What the first one takes."""
    made: int
    """What the first one makes, which the second takes."""
    last: int
    """What the last one makes."""


@dataclass(eq=False)
class Loop:
    """A for loop; its items and the values in them are those of the first repetition."""

    items: list[Item]
    count: Expression
    index: str
    """The name of the number of the repetition; "" where it is not read."""
    start: int
    columns: dict[str, list[Expression]]
    """Variable -> its value in each repetition."""
    carried: list[Carried]
    reads: list[int]
    makes: list[int]
    """What is read after it: of each carried value the last."""

    @property
    def repetitions(self) -> int:
        """How often it runs; a loop whose number an outer one gives is not asked."""
        assert isinstance(self.count, Fixed)
        return int(self.count.value)


Item: TypeAlias = Line | Loop
Slot: TypeAlias = tuple[Gap, Expression]


def key_of(item: Item, conditions: Mapping[Line, Any]) -> Any:
    """Return what two items must share to be repetitions of each other."""
    if isinstance(item, Line):
        return item.tree, conditions.get(item), len(item.makes)
    return (
        "loop",
        tuple(key_of(inner, conditions) for inner in item.items),
        item.index,
        item.start,
        tuple(item.columns),
        len(item.carried),
    )


def slots_of(item: Item) -> list[Slot]:
    """Return the constants of an item with their gaps, those of a loop's own first."""
    if isinstance(item, Line):
        return item.slots
    slots: list[Slot] = [(Gap(0, "repeats"), item.count)]
    for name, column in item.columns.items():
        slots += [(Gap(0, name), value) for value in column]
    for inner in item.items:
        slots += slots_of(inner)
    return slots


def fill_slots(item: Item, values: Iterator[Expression]) -> Item:
    """Return the item with other constants, taken from `values`, in the order of `slots_of`."""
    if isinstance(item, Line):
        return replace(item, gaps=list(islice(values, len(item.gaps))))
    count = next(values)
    columns = {}
    for name, column in item.columns.items():
        columns[name] = list(islice(values, len(column)))
    items = [fill_slots(inner, values) for inner in item.items]
    return replace(item, items=items, count=count, columns=columns)


def reads_of(items: Iterable[Item]) -> list[int]:
    """Return the values that items read, and those that stand for what is left out of them."""
    found = []
    for item in items:
        found += item.reads
        if isinstance(item, Line):
            found += item.otherwise.values()
    return found


def makes_of(items: Iterable[Item]) -> list[int]:
    """Return the values that stand behind items."""
    found = []
    for item in items:
        found += item.makes
    return found


def find_depth(items: Iterable[Item]) -> int:
    """Return how many loops stand in each other at most."""
    depths = [1 + find_depth(item.items) for item in items if isinstance(item, Loop)]
    return max(depths, default=0)


def find_variables(items: Iterable[Item]) -> set[str]:
    """Return the names of all variables of the loops in items."""
    names = set()
    for item in items:
        if isinstance(item, Loop):
            names |= {item.index, *item.columns} | find_variables(item.items)
    return names - {""}


Source: TypeAlias = tuple[int, int]
"""The place of an item within its repetition, and which of its values is meant."""


def find_carried(runs: Sequence[Sequence[Item]]) -> list[Carried] | None:
    """Return what each run takes from the one before; None where they differ in that.

    Each of `runs` is one repetition. All read a value from the same place within themselves, or
    all the same one from before the first, or each the same result of the one before.
    """
    made = [_number_values(run) for run in runs]
    reads = list(map(reads_of, runs))
    if len(set(map(len, reads))) > 1:
        return None
    carried: dict[int, Carried] = {}
    invariant = set()
    for column in zip(*reads, strict=True):
        if column[0] in made[0]:
            if _find_source(column, made) is None:
                return None
        elif len(set(column)) == 1:
            invariant.add(column[0])
        else:
            source = _find_source(column[1:], made)
            if source is None:
                return None
            flow = Carried(column[0], column[1], _value_at(runs[-1], source))
            if carried.setdefault(flow.made, flow) != flow:
                return None
    firsts = [flow.first for flow in carried.values()]
    if len({*firsts, *invariant}) < len(firsts) + len(invariant):
        return None  # One value begins as two, which one name cannot tell.
    return list(carried.values())


def _number_values(run: Sequence[Item]) -> dict[int, Source]:
    """Return value -> the place of the item that makes it, and which of its values it is."""
    places = {}
    for place, item in enumerate(run):
        for number, value in enumerate(item.makes):
            places[value] = place, number
    return places


def _find_source(values: Sequence[int], made: Sequence[Mapping[int, Source]]) -> Source | None:
    """Return where each value is made, the first by the first run; None if not at one place."""
    sources = {numbers.get(value) for value, numbers in zip(values, made, strict=False)}
    return sources.pop() if len(sources) == 1 else None


def _value_at(run: Sequence[Item], source: Source) -> int:
    place, number = source
    return run[place].makes[number]


def is_clean_behind(
    runs: Sequence[Sequence[Item]],
    carried: Sequence[Carried],
    is_read_behind: Callable[[int], bool],
) -> bool:
    """Whether nothing behind the runs reads what stands within them, but what they carry."""
    made: set[int] = set()
    for run in runs:
        made.update(makes_of(run))
    made.difference_update(flow.last for flow in carried)
    return not any(map(is_read_behind, made))
