"""The table of modules, folded: blocks that are alike are one, and small parts are summed up.

layers.0-11.attention     the same in each of twelve blocks, which differ in nothing but numbers
layers.0-11 (9 modules)   where that is still long, all that lies within
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch2keras.reporting.facts import KerasCall, ModuleRow

MOST_LINES = 24
"""The rows that a folded table has at most, where it can."""


NUMBERED = re.compile(r"(.*?)(\d+)")
"""The name of one part among others like it: `7`, `layer_7`."""


@dataclass
class _Part:
    """A module with what lies within it."""

    row: ModuleRow | None = None
    place: int = 0
    """Where it, or its first part, stands among all rows."""
    parts: dict[str, _Part] = field(default_factory=dict)

    def kind(self) -> tuple[object, ...]:
        """Return all that two blocks must have in common to be shown as one."""
        own = self.row and (self.row.cls, tuple(call.kind for call in self.row.keras))
        return own, tuple((name, part.kind()) for name, part in self.parts.items())


@dataclass(frozen=True)
class FoldedRow:
    """A line of the table; `row` stands for `times` modules of the same path but for numbers."""

    row: ModuleRow
    times: int = 1
    within: int = 0
    """The number of modules that are summed up in it."""


def fold_rows(rows: Sequence[ModuleRow]) -> list[FoldedRow]:
    """Return the rows themselves where they are few, else blocks, as few as `MOST_LINES`."""
    if len(rows) <= MOST_LINES:
        return [FoldedRow(row) for row in rows]
    root = _make_tree(rows)
    deepest = max(row.path.count(".") for row in rows) + 1
    for depth in range(deepest, 0, -1):
        entries = sorted(_walk(root, "", 1, depth), key=operator.itemgetter(0))
        folded = [found for _, found in entries]
        if len(folded) <= MOST_LINES:
            break
    return folded


def _make_tree(rows: Sequence[ModuleRow]) -> _Part:
    root = _Part()
    for place, row in enumerate(rows):
        part = root
        for name in filter(None, row.path.split(".")):
            part = part.parts.setdefault(name, _Part(place=place))
        part.row = row
    return root


def _walk(part: _Part, path: str, times: int, depth: int) -> Iterator[tuple[int, FoldedRow]]:
    """Yield (place, row) of a module and of what lies within, as deep as `depth`."""
    if depth == 0 and part.parts:
        yield part.place, _sum_up(part, path, times)
        return
    if part.row is not None:
        yield part.place, FoldedRow(replace(part.row, path=path), times)
    for name, inner, count in _merge_alike(part.parts):
        yield from _walk(inner, f"{path}.{name}".lstrip("."), times * count, depth - 1)


def _merge_alike(parts: Mapping[str, _Part]) -> Iterator[tuple[str, _Part, int]]:
    """Yield (name, part, count); neighbours with numbers for names that are alike are one."""
    run: list[tuple[str, _Part]] = []
    for name, part in parts.items():
        if run and not _continues(run, name, part):
            yield _name_run(run)
            run = []
        run.append((name, part))
    if run:
        yield _name_run(run)


def _continues(run: Sequence[tuple[str, _Part]], name: str, part: _Part) -> bool:
    before, found = NUMBERED.fullmatch(run[-1][0]), NUMBERED.fullmatch(name)
    if before is None or found is None or before[1] != found[1]:
        return False
    return int(found[2]) == int(before[2]) + 1 and part.kind() == run[-1][1].kind()


def _name_run(run: Sequence[tuple[str, _Part]]) -> tuple[str, _Part, int]:
    name, part = run[0]
    if len(run) > 1:
        number = NUMBERED.fullmatch(run[-1][0])
        assert number is not None
        name = f"{name}-{number[2]}"
    return name, part, len(run)


def _sum_up(part: _Part, path: str, times: int) -> FoldedRow:
    """Return one row for a module and all within it: its layers counted, its ops as a number."""
    rows = list(_all_rows(part))
    layers, ops = Counter[str](), 0
    for row in rows:
        for call in row.keras:
            if call.name:
                layers[call.kind] += 1
            else:
                ops += 1
    keras = [KerasCall(_count_kind(kind, count)) for kind, count in layers.items()]
    if ops:
        keras.append(KerasCall("1 op" if ops == 1 else f"{ops} ops"))
    cls = part.row.cls if part.row else ""
    return FoldedRow(ModuleRow(path, cls, "", tuple(keras)), times, len(rows))


def _count_kind(kind: str, count: int) -> str:
    return kind if count == 1 else f"{count} {kind}"


def _all_rows(part: _Part) -> Iterator[ModuleRow]:
    if part.row is not None:
        yield part.row
    for inner in part.parts.values():
        yield from _all_rows(inner)
