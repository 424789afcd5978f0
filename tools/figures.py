"""The figures of the whole tree in one table, those that have no budget too.

    python tools/budget.py --table

A function counts from `def` to its last line, a converter by the lines of code in its body. AST
nodes are counted without the contexts Load, Store and Del, for each line that is neither blank,
comment nor docstring. Conditional expressions and comprehensions are in 100 lines of a file, as the
budget has them. An argument is typed where it has an annotation; `self` and `cls` are no arguments
here. Duplicated lines are those that repeat others of the same part (src, tests, ...). Participles
are the functions whose name begins with one.
"""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from density import comprehensions, conditionals
from duplication import find_copies, lines_of_copies
from naming import begins_with_participle
from source_files import (
    CODE,
    PACKAGE,
    Function,
    Source,
    body_lines,
    code_lines,
    functions,
    is_converter,
    last_line,
    read_sources,
)

COLUMNS = (
    "part",
    "files",
    "lines",
    "function, median",
    "converter, median",
    "AST nodes a line",
    "conditionals in 100",
    "comprehensions in 100",
    "typed arguments",
    "duplicated",
    "participles",
)
TOP = "top of the package"
ALL = "all"


@dataclass(frozen=True)
class Counts:
    """The counts of one file, or of several: sums add up, lengths are kept for a median."""

    files: int = 0
    lines: int = 0
    code: int = 0
    nodes: int = 0
    conditionals: int = 0
    comprehensions: int = 0
    arguments: int = 0
    typed: int = 0
    duplicated: int = 0
    participles: int = 0
    functions: tuple[int, ...] = ()
    converters: tuple[int, ...] = ()

    def __add__(self, other: Counts) -> Counts:
        names = self.__dataclass_fields__
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def cells(self) -> tuple[str, ...]:
        """Return the texts of one row of the table, without its name."""
        return (
            str(self.files),
            str(self.lines),
            median(self.functions),
            median(self.converters),
            ratio(self.nodes, self.code),
            ratio(100 * self.conditionals, self.lines),
            ratio(100 * self.comprehensions, self.lines),
            percent(self.typed, self.arguments),
            percent(self.duplicated, self.lines),
            percent(self.participles, len(self.functions)),
        )


def median(values: Sequence[int]) -> str:
    """Return the median with at most one decimal, or a dash where there are no values."""
    return f"{statistics.median(values):g}" if values else "-"


def ratio(part: int, whole: int) -> str:
    """Return part / whole with one decimal, or a dash where there is no whole."""
    return f"{part / whole:.1f}" if whole else "-"


def percent(part: int, whole: int) -> str:
    """Return the share with one decimal, or a dash where there is no whole."""
    return f"{ratio(100 * part, whole)} %" if whole else "-"


def count_source(source: Source, duplicated: int) -> Counts:
    """Count one file, of which `duplicated` lines repeat others."""
    named = list(functions(source.tree))
    arguments: list[bool] = []
    for function in named:
        arguments.extend(are_typed(function))
    nodes = [node for node in ast.walk(source.tree) if not isinstance(node, ast.expr_context)]
    return Counts(
        files=1,
        lines=len(source.lines),
        code=code_lines(source),
        nodes=len(nodes),
        conditionals=len(conditionals(source.tree)),
        comprehensions=len(comprehensions(source.tree)),
        arguments=len(arguments),
        typed=sum(arguments),
        duplicated=duplicated,
        participles=sum(begins_with_participle(function) for function in named),
        functions=tuple(last_line(function) - function.lineno + 1 for function in named),
        converters=tuple(body_lines(source, one) for one in named if is_converter(one)),
    )


def are_typed(function: Function) -> Iterator[bool]:
    """Yield for each argument of a function but `self` and `cls` whether it has an annotation."""
    declared = function.args
    positional = [*declared.posonlyargs, *declared.args]
    if positional and positional[0].arg in {"self", "cls"}:
        positional = positional[1:]
    for argument in [*positional, declared.vararg, *declared.kwonlyargs, declared.kwarg]:
        if argument is not None:
            yield argument.annotation is not None


def count_part(sources: list[Source], *, with_copies: bool) -> dict[Path, Counts]:
    """Count each file of one part of the tree; its duplicated lines are found within the part."""
    pairs = find_copies(sources) if with_copies else []
    repeated = [path for path, _ in lines_of_copies(pairs)]
    return {source.path: count_source(source, repeated.count(source.path)) for source in sources}


def room_name(path: Path) -> str:
    """Return the row that a file of the package belongs to: its folder right below the package."""
    folder, *below = path.relative_to(PACKAGE).parts
    return f"{folder}/" if below else TOP


def count_tree(root: Path, *, with_copies: bool = True) -> dict[str, Counts]:
    """Count the rooms of the package, the parts of the tree and all of it, by row.

    Without `with_copies` no line counts as duplicated: these take longer than all else.
    """
    sources, _ = read_sources(root)
    rooms: dict[str, Counts] = {}
    parts: dict[str, Counts] = {}
    for part in CODE:
        members = [source for source in sources if source.path.parts[0] == part]
        counts = count_part(members, with_copies=with_copies)
        parts[part] = sum(counts.values(), Counts())
        for path, count in counts.items():
            if path.is_relative_to(PACKAGE):
                name = room_name(path)
                rooms[name] = rooms.get(name, Counts()) + count
    return rooms | parts | {ALL: sum(parts.values(), Counts())}


def figures_table(root: Path, *, with_copies: bool = True) -> str:
    """Return the figures of the tree below `root` as a table in Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "--:|" * (len(COLUMNS) - 1)]
    for name, counts in count_tree(root, with_copies=with_copies).items():
        lines.append("| " + " | ".join([name, *counts.cells()]) + " |")
    return "\n".join(lines)
