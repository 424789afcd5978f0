"""How densely a file is packed: conditional expressions, comprehensions, and their nesting.

A comprehension is one of a list, set or dict, or a generator expression. One with two `for` is one
nested in another. A conditional expression within a comprehension is no nesting, and neither is the
other way round.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from source_files import RULED, Source, Violation

CONDITIONALS = 3
COMPREHENSIONS = 5
LINES = 100
"""The two limits above are for so many lines of a file; a shorter file may have as many."""

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def conditionals(tree: ast.AST) -> list[ast.IfExp]:
    """Return the conditional expressions below a node, in order of their lines."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.IfExp)]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def comprehensions(tree: ast.AST) -> list[Comprehension]:
    """Return the comprehensions and generator expressions below a node, in order of their lines."""
    found = [node for node in ast.walk(tree) if isinstance(node, Comprehension)]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def check_density(source: Source) -> Iterator[Violation]:
    """Yield where a file of `RULED` has more of a kind than it may, and each nesting."""
    if source.path.parts[0] not in RULED:
        return
    conditional = conditionals(source.tree)
    comprehension = comprehensions(source.tree)
    yield from check_count(source, conditional, "conditional expressions", CONDITIONALS)
    yield from check_count(source, comprehension, "comprehensions", COMPREHENSIONS)
    for line in sorted(find_nested(conditional)):
        yield Violation(source.path, line, "a conditional expression in a conditional expression")
    several = {node.lineno for node in comprehension if len(node.generators) > 1}
    for line in sorted(find_nested(comprehension) | several):
        yield Violation(
            source.path, line, "a comprehension in a comprehension, or one with two `for`"
        )


def check_count(
    source: Source, nodes: Sequence[ast.expr], kind: str, limit: int
) -> Iterator[Violation]:
    """Yield the line of the first of `nodes` that is one too many for the length of the file."""
    length = len(source.lines)
    allowed = limit * max(length, LINES) // LINES
    if len(nodes) > allowed:
        message = (
            f"{len(nodes)} {kind} in {length} lines, the budget is {allowed}: {limit} in {LINES}"
        )
        yield Violation(source.path, nodes[allowed].lineno, message)


def find_nested(nodes: Sequence[ast.expr]) -> set[int]:
    """Return the lines of those `nodes` that lie within another of them."""
    members = set(nodes)
    lines: set[int] = set()
    for outer in nodes:
        inner = (node for node in ast.walk(outer) if node is not outer and node in members)
        lines.update(node.lineno for node in inner)
    return lines
