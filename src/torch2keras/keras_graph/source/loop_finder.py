"""Runs of lines that repeat become loops.

A run repeats where its trees are the same, and each repetition reads what the one before made, or
what stands before all. Constants that differ become variables of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, pairwise
from typing import Any

from torch2keras.keras_graph.source.expressions import (
    Condition,
    Expression,
    Fixed,
    PowerOfTwo,
    Scaled,
    Text,
    Variable,
    join_text,
    tokens_of,
)
from torch2keras.keras_graph.source.identifiers import find_free_name, identifier
from torch2keras.keras_graph.source.lines import Gap, Line
from torch2keras.keras_graph.source.loops import (
    Item,
    Loop,
    Slot,
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

LONGEST_RUN = 24
"""Lines of one repetition."""

MOST_ITEMS = 1000
"""Items that one loop may take in."""

FEW_REPETITIONS = 8
"""Repetitions up to which each number is tried."""

INDICES = "ijkmn"
"""The numbers of loops, from the innermost outwards."""


class LoopVariables:
    """Finds what stands in the gaps of a loop: its number, or a variable of its own."""

    def __init__(self, count: int, index: str, taken: Collection[str]) -> None:
        self.count, self.name, self.taken = count, index, taken
        self.index = ""
        """The name of the number of the repetition, once it is read."""
        self.start: int | None = None
        self.columns: dict[str, list[Expression]] = {}

    def express_runs(self, runs: Sequence[Sequence[Item]]) -> list[Expression] | None:
        """Return what stands in each gap of one repetition; None where nothing can in one."""
        expressions = []
        for slots in zip(*map(_yield_slots, runs), strict=True):
            gap = slots[0][0]
            expression = self.express(gap, [value for _, value in slots])
            if expression is None:
                return None
            expressions.append(expression)
        return expressions

    def express(self, gap: Gap, column: Sequence[Expression]) -> Expression | None:
        """Return what stands in a gap in every repetition; None where nothing can."""
        if len(set(column)) == 1:
            return column[0]
        before = self.index, self.start
        kinds = set(map(type, column))
        expression = None
        if gap.label == "name" or kinds == {Text}:
            expression = self._express_text(column)
        if expression is None and kinds == {Fixed}:
            expression = self._express_power(column)
        if expression is None:
            self.index, self.start = before
            if kinds == {Fixed}:
                expression = self._add(gap, list(column))
        return expression

    def _express_text(self, column: Sequence[Expression]) -> Expression | None:
        """Return names that differ in one or more running numbers as one text with the index."""
        rows = list(map(tokens_of, column))
        if not rows[0] or len(set(map(len, rows))) > 1:
            return None
        parts: list[str | Expression] = []
        for tokens in zip(*rows, strict=True):
            part: str | Expression | None = None
            if len(set(tokens)) == 1:
                part = tokens[0]
            elif all(isinstance(token, str) and token.isdigit() for token in tokens):
                part = self._express_by_index(list(map(int, tokens)))
            if part is None:
                return None
            parts.append(part)
        return join_text(tuple(parts))

    def _express_by_index(self, numbers: Sequence[int]) -> Variable | Scaled | None:
        """Return numbers with one step between them as a multiple of the index."""
        steps = {b - a for a, b in pairwise(numbers)}
        if len(steps) > 1 or min(steps) <= 0:
            return None
        step = steps.pop()
        if self.start is None:
            self.start = numbers[0] if step == 1 else 0
        self.index = self.name
        offset = numbers[0] - step * self.start
        if step == 1 and offset == 0:
            return Variable(self.name)
        return Scaled(self.name, step, offset)

    def _express_power(self, column: Sequence[Expression]) -> Expression | None:
        """Return `2**i` where that is what runs."""
        if self.count < 3:
            return None
        exponents = []
        for value in column:
            number = value.value if isinstance(value, Fixed) else None
            if type(number) is not int or number.bit_count() != 1 or number < 1:
                return None
            exponents.append(number.bit_length() - 1)
        match self._express_by_index(exponents):
            case Variable(name):
                return PowerOfTwo(Scaled(name))
            case Scaled(_, 1, _) as exponent:
                return PowerOfTwo(exponent)
        return None

    def _add(self, gap: Gap, column: list[Expression]) -> Variable:
        """Return the variable that has these values, a new one if there is none yet."""
        for name, other in self.columns.items():
            if other == column:
                return Variable(name)
        label = gap.label if gap.label == "name" else identifier(gap.label)
        name = find_free_name(label, {*self.columns, *self.taken})
        self.columns[name] = column
        return Variable(name)


def _yield_slots(run: Sequence[Item]) -> Iterator[Slot]:
    for item in run:
        yield from slots_of(item)


class LoopFinder:
    """Folds the items of one function."""

    def __init__(
        self,
        items: Sequence[Item],
        outs: Sequence[int],
        conditions: Mapping[Line, Condition],
        height: Callable[[Item], int],
        taken: Collection[str] = (),
    ) -> None:
        self.items = list(items)
        self.outs = outs
        self.conditions = dict(conditions)
        self.height = height
        """Returns how many lines of text an item takes."""
        self.taken = taken
        """Names that no variable of a loop may have."""
        self.known: dict[Any, int] = {}
        self.numbers: dict[Item, int] = {}
        """Item -> the number of its key."""
        self.last_reads: dict[int, int] = {}
        """Value -> how far from the end of the items the last one stands that reads it."""

    def copy(self) -> LoopFinder:
        """Return a finder for the same items, which are folded apart."""
        return LoopFinder(self.items, self.outs, self.conditions, self.height, self.taken)

    def fold(self, *, only_equal: bool) -> bool:
        """Replace the runs that repeat by loops; whether there are any.

        With `only_equal` those alone in which no constant but the names of layers differs.
        """
        found = False
        place = 0
        self.last_reads = self._find_last_reads()
        while place < len(self.items):
            best = self._find_best_loop(place, only_equal=only_equal)
            if best is not None:
                length, loop = best
                self.items[place : place + length] = [loop]
                found = True
            place += 1
        return found

    def _find_best_loop(self, place: int, *, only_equal: bool) -> tuple[int, Loop] | None:
        """Return the loop that saves most lines from a place on, and how many items it takes."""
        keys = list(map(self._number_key, self.items[place : place + MOST_ITEMS]))
        best: tuple[int, Loop] | None = None
        most = 0
        done: dict[int, int] = {}
        """Items of one repetition -> items of the loop that was found for that."""
        for period in range(1, min(LONGEST_RUN, len(keys) // 2) + 1):
            reach = period * _count_repetitions(keys, period)
            if any(period % part == 0 and end >= reach for part, end in done.items()):
                continue
            loop = self._find_longest_loop(place, period, reach // period, only_equal=only_equal)
            if loop is None:
                continue
            done[period] = length = period * loop.repetitions
            inside = sum(map(self.height, self.items[place : place + length]))
            saved = inside - self.height(loop) - len(loop.columns) // 3
            if saved > most or (only_equal and best is None):
                best, most = (length, loop), saved
        return best

    def _find_longest_loop(
        self, place: int, period: int, count: int, *, only_equal: bool
    ) -> Loop | None:
        """Return a loop over as many repetitions as flow into each other, looked for by halves."""
        if count < 2:
            return None
        two = [self.items[start : start + period] for start in (place, place + period)]
        is_read = partial(self._is_read, place + count * period)
        if any(map(is_read, makes_of(two[0]))) or find_carried(two) is None:
            return None  # nor are fewer or more of them a loop then
        while count > 1:
            loop = self._make_loop(place, period, count)
            if loop is not None and not (only_equal and loop.columns):
                return loop
            if count == 2:
                return None
            count = count - 1 if count <= FEW_REPETITIONS else count // 2
        return None

    def _number_key(self, item: Item) -> int:
        """Return a number that items with one key share."""
        number = self.numbers.get(item)
        if number is None:
            number = self.known.setdefault(key_of(item, self.conditions), len(self.known))
            self.numbers[item] = number
        return number

    def _make_loop(self, place: int, period: int, count: int) -> Loop | None:
        """Return the loop of so many runs of `period` items; None where they are not one."""
        end = place + count * period
        runs = [self.items[start : start + period] for start in range(place, end, period)]
        carried = find_carried(runs)
        if carried is None or not is_clean_behind(runs, carried, partial(self._is_read, end)):
            return None
        free = [index for index in INDICES if index not in self.taken]
        index = free[min(find_depth(runs[0]), len(free) - 1)]
        variables = LoopVariables(count, index, {*self.taken, *find_variables(runs[0])})
        expressions = variables.express_runs(runs)
        if expressions is None:
            return None
        values = iter(expressions)
        filled = [fill_slots(item, values) for item in runs[0]]
        for item, new in zip(runs[0], filled, strict=True):
            if isinstance(item, Line) and isinstance(new, Line) and item in self.conditions:
                self.conditions[new] = self.conditions[item]
        own = set(makes_of(runs[0]))
        outside = [value for value in dict.fromkeys(reads_of(runs[0])) if value not in own]
        makes = [flow.last for flow in carried]
        start = variables.start or 0
        return Loop(
            filled,
            Fixed(count),
            variables.index,
            start,
            variables.columns,
            carried,
            outside,
            makes,
        )

    def _find_last_reads(self) -> dict[int, int]:
        """Return how far from the end each value is read last, within loops too.

        What stands behind a place is not folded yet, so its distance from the end stays.
        """
        last = {}
        for distance, item in zip(range(len(self.items), 0, -1), self.items, strict=True):
            waiting = [item]
            while waiting:
                last.update(dict.fromkeys(reads_of(waiting), distance))
                waiting = [*chain.from_iterable(i.items for i in waiting if isinstance(i, Loop))]
        return last | dict.fromkeys(self.outs, 0)

    def _is_read(self, place: int, value: int) -> bool:
        """Return whether a value is read at a place or behind it, or is a result."""
        distance = self.last_reads.get(value)
        return distance is not None and distance <= len(self.items) - place


def _count_repetitions(keys: Sequence[int], period: int) -> int:
    count = 1
    while keys[count * period : (count + 1) * period] == keys[:period]:
        count += 1
    return count
