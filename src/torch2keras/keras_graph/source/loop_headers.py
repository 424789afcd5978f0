"""The `for` line of a loop, and the table that it runs over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch2keras.keras_graph.source.expressions import (
    Fixed,
    Variable,
    expression_text,
    list_text,
    tuple_text,
)
from torch2keras.keras_graph.source.lines import CallTree, Gap, Line
from torch2keras.keras_graph.source.loops import Item, Loop
from torch2keras.keras_graph.source.nodes import NodeWriter
from torch2keras.keras_graph.source.wrapping import (
    WIDTH,
    fill_lines,
    wrap_call,
    wrap_statement,
    wrap_table,
)

SPLAT_COLUMNS = 4
"""Variables of a loop from which on its one call takes them as a row."""


def find_variable_arguments(line: Line) -> dict[str, str]:
    """Return the arguments of a call that are variables, with the variables, in order."""
    assert isinstance(line.tree, CallTree)
    found = {}
    for key, item in line.tree.kwargs:
        if isinstance(item, Gap):
            value = line.gaps[item.place]
            if isinstance(value, Variable):
                found[key] = value.name
    return found


def find_splat_columns(loop: Loop) -> list[str]:
    """Return the variables of a loop in the order of its one call's arguments, given as a row.

    Empty where it has several items, or few variables, or not the first arguments in order.
    """
    if len(loop.columns) < SPLAT_COLUMNS or len(loop.items) != 1:
        return []
    line = loop.items[0]
    if not isinstance(line, Line) or not isinstance(line.tree, CallTree):
        return []
    if not isinstance(line.tree.function, int):
        return []
    variables = find_variable_arguments(line)
    named = [variables["name"]] if variables.get("name") in loop.columns else []
    keys = [key for key, _ in line.tree.kwargs[: len(loop.columns) - len(named)]]
    columns = [variables.get(key, "") for key in keys] + named
    return columns if sorted(columns) == sorted(loop.columns) else []


def write_rows_header(loop: Loop, columns: Sequence[str], indent: int) -> list[str]:
    """Return the table of a loop and its `for` line, each row to be given as it is."""
    space = " " * indent
    line = loop.items[0]
    assert isinstance(line, Line)
    named = find_variable_arguments(line).get("name", "")
    targets = ["row"]
    if named in columns:
        targets = ["*row", named]
    table = wrap_table(indent, "rows", _write_rows(loop, columns))
    header = f"{space}{_for_line(loop, targets, 'rows')}"
    return [*fill_lines(f"{space}# ", columns), *table, header]


def _for_line(loop: Loop, targets: Sequence[str], source: str) -> str:
    """Return the `for` line of a loop with these variables, and its number if that is read."""
    target = ", ".join(targets)
    if not loop.index:
        return f"for {target} in {source}:"
    if len(targets) > 1:
        target = f"({target})"
    start = f", {loop.start}" if loop.start else ""
    return f"for {loop.index}, {target} in enumerate({source}{start}):"


def _write_rows(loop: Loop, columns: Sequence[str]) -> list[str]:
    """Return the values of these variables in each repetition, as tuples if there are several."""
    texts = [list(map(expression_text, loop.columns[name])) for name in columns]
    if len(texts) == 1:
        return texts[0]
    return list(map(tuple_text, zip(*texts, strict=True)))


def write_loop_header(loop: Loop, indent: int) -> list[str]:
    """Return the `for` line of a loop, after a table where it runs over one."""
    if not loop.columns:
        return [f"{' ' * indent}for {loop.index or '_'} in range({_range_text(loop)}):"]
    variables = list(loop.columns)
    rows = _write_rows(loop, variables)
    line = _for_line(loop, variables, list_text(rows))
    if indent + len(line) <= WIDTH:
        return [f"{' ' * indent}{line}"]
    line = _for_line(loop, variables, "rows")
    if indent + len(line) > WIDTH and not loop.index:
        line = f"for ({', '.join(variables)}) in rows:"
    return [*wrap_table(indent, "rows", rows), *wrap_statement(indent, line)]


def _range_text(loop: Loop) -> str:
    """Return the arguments of `range`."""
    count, start = expression_text(loop.count), loop.start
    if not start:
        return count
    if isinstance(loop.count, Fixed):
        return f"{start}, {start + loop.count.value}"
    return f"{start}, {start} + {count}"


def measure_height(item: Item, functions: Mapping[int, str]) -> int:
    """Return about how many lines an item takes, by names of values of one letter."""
    if isinstance(item, Loop):
        columns = find_splat_columns(item)
        if columns:
            return len(write_rows_header(item, columns, 4)) + 1
        inside = sum(measure_height(inner, functions) for inner in item.items)
        return inside + len(write_loop_header(item, 4))
    nodes = NodeWriter(dict.fromkeys(item.reads, "x"), functions)
    if not isinstance(item.tree, CallTree):
        return len(wrap_statement(4, f"x = {nodes.text(item.tree, item)}"))
    head, arguments, tail = nodes.parts(item.tree, item)
    return len(wrap_call(4, f"x = {head}", arguments, tail))
