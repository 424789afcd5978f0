"""The Python files of the tree, each parsed once, and places in them."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CODE = ("src", "tests", "tools", "examples", "benchmarks")
RULED = ("src", "tools", "examples", "benchmarks")
"""Parts of the tree that rules of density, names and docstrings hold for: all but the tests."""

PACKAGE = Path("src/torch2keras")
OPS = PACKAGE / "ops"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function
NOT_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


@dataclass(frozen=True, order=True)
class Violation:
    """One place that breaks a rule; `path` is relative to the root, `line` counts from 1."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path.as_posix()}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One Python file; `path` is relative to the root."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        """The lines without their ends; line n of the file is `lines[n - 1]`."""
        return self.text.splitlines()


def read_sources(root: Path, folders: Sequence[str] = CODE) -> tuple[list[Source], list[Violation]]:
    """Parse every Python file of `folders`; the second list names those that do not parse."""
    sources = []
    broken = []
    for folder in folders:
        for file in sorted((root / folder).rglob("*.py")):
            path = file.relative_to(root)
            text = file.read_text(encoding="utf-8")
            try:
                sources.append(Source(path, text, ast.parse(text)))
            except SyntaxError as error:
                message = f"does not parse: {error.msg}"
                broken.append(Violation(path, error.lineno or 1, message))
    sources.sort(key=lambda source: source.path)
    return sources, broken


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function below a node, methods and nested ones included."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def decorator_names(function: Function) -> list[str]:
    """Return the last name of each decorator: "lowering" for `@t2k.lowering(op)`."""
    called = [getattr(decorator, "func", decorator) for decorator in function.decorator_list]
    return [ast.unparse(name).rpartition(".")[2] for name in called]


def is_converter(function: Function) -> bool:
    """Whether one of the decorators is `lowering`, called or not, under any prefix."""
    return "lowering" in decorator_names(function)


def last_line(node: ast.stmt) -> int:
    """Return the last line of a statement, counted from 1."""
    return node.end_lineno or node.lineno


def body_lines(source: Source, function: Function) -> int:
    """Count the lines of a function's body that are neither docstring, comment nor blank."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    numbers: set[int] = set()
    for statement in body:
        numbers.update(range(statement.lineno, last_line(statement) + 1))
    lines = source.lines
    return sum(1 for number in numbers if lines[number - 1].strip().partition("#")[0])


def code_lines(source: Source) -> int:
    """Count the lines of a file that are neither docstring, comment nor blank."""
    numbers: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type not in NOT_CODE:
            numbers.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(source.tree):
        if isinstance(node, Documented) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            numbers.difference_update(range(docstring.lineno, last_line(docstring) + 1))
    return len(numbers)
