"""Writes the items of one function as Python, and names its values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch2keras.keras_graph.source.expressions import NAME, Condition, condition_text
from torch2keras.keras_graph.source.identifiers import find_free_name
from torch2keras.keras_graph.source.lines import Line
from torch2keras.keras_graph.source.loop_headers import (
    find_splat_columns,
    find_variable_arguments,
    write_loop_header,
    write_rows_header,
)
from torch2keras.keras_graph.source.loops import Item, Loop, find_variables, makes_of, reads_of
from torch2keras.keras_graph.source.nodes import NodeWriter
from torch2keras.keras_graph.source.remarks.comments import Commenter
from torch2keras.keras_graph.source.value_names import (
    PLAIN_NAMES,
    find_roles,
    order_names,
    yield_fallback_names,
    yield_hints,
)
from torch2keras.keras_graph.source.wrapping import (
    add_comment,
    wrap_call,
    wrap_statement,
    wrap_values,
)

INPUT_NAMES = ("y", "z", "other", "context", "memory")
"""What a function calls the values that it takes, behind `x`."""


@dataclass(frozen=True)
class _Scope:
    """What holds for the items of one body: of a function, or of a loop in it."""

    items: Sequence[Item]
    last: Mapping[int, int]
    """Value -> the place of the last item that reads it."""
    kept: Collection[str]
    """Names of values that are read behind the body."""
    roles: Mapping[int, str]
    indent: int


class BodyWriter:
    """Writes the items of one function, and names their values."""

    def __init__(
        self,
        functions: Mapping[int, str],
        conditions: Mapping[Line, Condition],
        reserved: Collection[str] = (),
        commenter: Commenter | None = None,
    ) -> None:
        self.functions, self.conditions = functions, conditions
        self.reserved = {*functions.values(), *reserved, NAME.name}
        """Names that no value may have."""
        self.names: dict[int, str] = {}
        self.wanted: dict[int, str] = {}
        """What a value should be called, if nothing else is by then: a loop's next, an option's."""
        self.forced: dict[int, str] = {}
        """What a value is called: it is that of an `else` to an `if` before."""
        self.nodes = NodeWriter(self.names, functions)
        self.commenter = commenter or Commenter()
        self.depth = 0
        """How many loops stand around what is written."""
        self.lines: list[str] = []

    def write(
        self, items: Sequence[Item], outs: Sequence[int], kept: Collection[str], indent: int
    ) -> None:
        """Write items; `outs` are read behind them, and what is called as in `kept` too."""
        self.reserved |= find_variables(items)
        scope = _Scope(
            items, last_reads(items, outs, self.conditions), kept, find_roles(items), indent
        )
        for item in reversed(items):
            self._want_names(item)
        place = 0
        while place < len(items):
            item = items[place]
            if isinstance(item, Loop):
                self._write_loop(item, place, scope)
                place += 1
            elif item in self.conditions:
                place = self._write_option(place, scope)
            else:
                self._name_results(item, place, scope)
                self._write_line(item, indent, self._find_comment(place, scope))
                place += 1

    def name_inputs(self, values: Sequence[int], items: Sequence[Item]) -> None:
        """Name what a function takes: the main path first, others by their role."""
        roles = find_roles(items)
        self.reserved |= find_variables(items)
        for value in values:
            taken = {*self.names.values(), *self.reserved}
            candidates = ["x", roles.get(value, ""), *INPUT_NAMES]
            free = [name for name in candidates if name and name not in taken]
            self.names[value] = free[0] if free else find_free_name("other", taken)

    def _add(self, indent: int, text: str, comment: str = "") -> None:
        self.lines += add_comment(wrap_statement(indent, text), comment)

    def _find_comment(self, place: int, scope: _Scope) -> str:
        """Return what is to be said of an item, or ""."""
        if self.depth:
            return self.commenter.comment(scope.items, place)
        return self.commenter.comment_outermost(scope.items, place)

    def _want_names(self, item: Item) -> None:
        """Let what a loop begins with be called as what it ends with."""
        if isinstance(item, Loop):
            for one in item.carried:
                if one.last in self.wanted:
                    self.wanted.setdefault(one.first, self.wanted[one.last])

    def _find_alive(self, place: int, scope: _Scope) -> set[str]:
        """Return the names of the values that are read behind a place."""
        names = set(scope.kept)
        for value, end in scope.last.items():
            if end > place and value in self.names:
                names.add(self.names[value])
        return names

    def _name_results(self, line: Line, place: int, scope: _Scope) -> None:
        """Name what a line makes: by its role, as an operand that is read no more, or anew."""
        taken = self._find_alive(place, scope) | self.reserved
        for number, value in enumerate(line.makes):
            if value not in scope.last:
                self.names[value] = "_"
            elif value in self.forced:
                self.names[value] = self.forced[value]
            else:
                candidates = self._yield_candidates(line, number, place, scope)
                name = next(one for one in candidates if one and one not in taken)
                self.names[value] = name
                taken.add(name)

    def _yield_candidates(
        self, line: Line, number: int, place: int, scope: _Scope
    ) -> Iterator[str]:
        """Yield names for one of the values of a line, the best first."""
        yield self.wanted.get(line.makes[number], "")
        yield from yield_hints(line, scope.roles, number)
        if len(line.makes) == 1:
            last = scope.last
            dying = {self.names[read] for read in line.reads if last.get(read, -1) <= place}
            if len(dying) > 1 and dying.isdisjoint(PLAIN_NAMES):
                yield "x"
            yield from order_names(self.names[read] for read in line.reads)
        yield from yield_fallback_names(line)

    def _write_line(self, line: Line, indent: int, comment: str = "") -> None:
        targets = ", ".join(self.names[value] for value in line.makes)
        self._add(indent, f"{targets} = {self.nodes.text(line.tree, line)}", comment)

    def _write_option(self, place: int, scope: _Scope) -> int:
        """Write the lines that one condition guards; return the place behind them."""
        items, indent = scope.items, scope.indent
        condition = self._find_condition(items[place])
        assert condition is not None
        block: list[Line] = []
        for item in items[place:]:
            if self._find_condition(item) != condition:
                break
            assert isinstance(item, Line)
            block.append(item)
        opposite = self._find_opposite_block(place, scope)
        instead = set(makes_of(opposite))
        for line in block:
            for made, other in line.otherwise.items():
                if other in instead:
                    self.forced[made] = self.names[other]
                else:
                    self._share_name(made, other, block, place, scope)
        head = "else" if opposite else f"if {condition_text(condition)}"
        self._add(indent, f"{head}:", self._find_comment(place, scope))
        for number, line in enumerate(block):
            self._name_results(line, place + number, scope)
            self._write_line(line, indent + 4)
            for made, other in line.otherwise.items():
                self._end_option(made, other, indent + 4)
        return place + len(block)

    def _find_opposite_block(self, place: int, scope: _Scope) -> list[Item]:
        """Return the lines just before a place that run where those behind it do not."""
        condition = self._find_condition(scope.items[place])
        block: list[Item] = []
        for item in reversed(scope.items[:place]):
            other = self._find_condition(item)
            if condition is None or other is None or not _are_opposites(other, condition):
                break
            block.insert(0, item)
        return block

    def _end_option(self, made: int, other: int, indent: int) -> None:
        """Let an option's result be called as what it stands for where the option is left out."""
        if other not in self.names:
            self.forced[other] = self.names[made]
        elif made in self.wanted and self.names[made] != self.wanted[made]:
            self._add(indent, f"{self.wanted[made]} = {self.names[made]}")
            self.names[made] = self.wanted[made]

    def _find_condition(self, item: Item) -> Condition | None:
        return self.conditions.get(item) if isinstance(item, Line) else None

    def _share_name(
        self, made: int, other: int, block: Sequence[Line], place: int, scope: _Scope
    ) -> None:
        """Give an option's result the name of the value that it replaces."""
        if other not in self.names:
            return
        name = self.names[other]
        maker = next(line for line in block if made in line.makes)
        is_read_later = other in reads_of(block[block.index(maker) + 1 :])
        is_read_behind = scope.last.get(other, -1) >= place + len(block)
        if is_read_behind or is_read_later or name in scope.kept:
            taken = {*self._find_alive(place - 1, scope), *self.reserved, name}
            fresh = next(one for one in yield_fallback_names(maker) if one not in taken)
            self._add(scope.indent, f"{fresh} = {name}")
            name = fresh
        self.wanted[made] = name

    def _write_loop(self, loop: Loop, place: int, scope: _Scope) -> None:
        before = {one.first: self.names[one.first] for one in loop.carried}
        outside = self._find_alive(place, scope)
        targets = self._name_carried(loop, place, scope)
        outside.update(self.names[value] for value in loop.reads if value not in before)
        outside.difference_update(targets)
        indent = scope.indent
        header, self.lines = self.lines, []
        comment = self._find_comment(place, scope)
        self.depth += 1
        self.write(loop.items, [one.made for one in loop.carried], outside, indent + 4)
        self.depth -= 1
        body, self.lines = self.lines, header
        splat = find_splat_columns(loop)
        if splat:
            line = loop.items[0]
            assert isinstance(line, Line)
            self.lines += add_comment(write_rows_header(loop, splat, indent), comment)
            self.lines += self._write_splat_call(line, splat, indent + 4)
        else:
            self.lines += [*add_comment(write_loop_header(loop, indent), comment), *body]
        self._move_carried(loop, targets, indent + 4)
        self.names.update(before)
        for one, name in zip(loop.carried, targets, strict=True):
            self.names[one.last] = name

    def _name_carried(self, loop: Loop, place: int, scope: _Scope) -> list[str]:
        """Return the names of what a loop carries, which are new ones for what is read behind."""
        targets: list[str] = []
        for one in loop.carried:
            name = self.names[one.first]
            if scope.last.get(one.first, -1) > place or name in scope.kept:
                taken = {*self._find_alive(place - 1, scope), *self.reserved, *targets}
                candidates = [self.wanted.get(one.last, ""), *PLAIN_NAMES, "state"]
                free = [other for other in candidates if other and other not in taken]
                fresh = free[0] if free else find_free_name("carry", taken)
                self._add(scope.indent, f"{fresh} = {name}")
                self.names[one.first] = name = fresh
            targets.append(name)
            self.wanted[one.made] = name
        return targets

    def _move_carried(self, loop: Loop, targets: Sequence[str], indent: int) -> None:
        """Write what gives the results of a repetition the names that the next one reads."""
        moves = []
        for one, target in zip(loop.carried, targets, strict=True):
            if self.names[one.made] != target:
                moves.append((target, self.names[one.made]))
        if moves:
            left, right = zip(*moves, strict=True)
            self.lines += wrap_values(indent, f"{', '.join(left)} =", right)

    def _write_splat_call(self, line: Line, columns: Sequence[str], indent: int) -> list[str]:
        """Return the one call of a loop whose variables are given as a row."""
        targets = ", ".join(self.names[value] for value in line.makes)
        head, arguments, tail = self.nodes.parts(line.tree, line)
        count = len(line.reads)
        known = {*columns}
        for key, value in find_variable_arguments(line).items():
            if key != "name":
                known.add(f"{key}={value}")
        rest = [one for one in arguments[count:] if one not in known]
        return wrap_call(indent, f"{targets} = {head}", [*arguments[:count], "*row", *rest], tail)


def _are_opposites(one: Condition, other: Condition) -> bool:
    texts = condition_text(one), condition_text(other)
    return texts[0] == f"not {texts[1]}" or texts[1] == f"not {texts[0]}"


def last_reads(
    items: Sequence[Item], outs: Sequence[int], conditions: Mapping[Line, Condition]
) -> dict[int, int]:
    """Return value -> the place of the last item that reads it; behind all for `outs`.

    What an option's result stands for where it is left out is read at the option's first line:
    from there on its name is the option's.
    """
    last: dict[int, int] = {}
    for place, item in enumerate(items):
        last.update(dict.fromkeys(item.reads, place))
    last.update(dict.fromkeys(outs, len(items)))
    start = 0
    for place, item in enumerate(items):
        if not isinstance(item, Line):
            continue
        before = items[place - 1] if place else None
        if not isinstance(before, Line) or conditions.get(before) != conditions.get(item):
            start = place
        for made, other in item.otherwise.items():
            if made in last:
                last[other] = max(start, last.get(other, last[made]))
    return last
