"""The size budget of the tree: prints each violation as `path:line: message` and exits with 1 if there is one.

    python tools/budget.py [ROOT]

    lines of a file                                         400
    columns of a line                                       100
    lines of a function, with signature and docstring        60
    lines of code in a converter's body                      15
    duplicated lines of src, found by pylint's symilar      3 %
    the word "nhwc" in the converters' folder           nowhere
    a to-do comment without an issue number             nowhere

A converter is a function under `@lowering(...)` in the folder `OPS`. Its docstring, comments and blank lines do not
count: nobody is to save on reasons.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pylint.checkers.symilar import Symilar

FILE_LINES = 400
COLUMNS = 100
FUNCTION_LINES = 60
CONVERTER_LINES = 15
DUPLICATED_PERCENT = 3.0
CLONE_LINES = 4  # symilar's own default; shorter runs of equal lines are chance

CODE = ("src", "tests", "tools", "examples", "benchmarks")
MEASURED = Path("src")
OPS = Path("src/torch2keras/ops")
FORBIDDEN_WORD = re.compile("nhwc", re.IGNORECASE)
TO_DO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
ISSUE = re.compile(r"#\d+")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Violation:
    """One place over the budget; `path` is relative to the root, `line` counts from 1."""

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


@dataclass(frozen=True, order=True)
class Span:
    """Lines `first` to `last` of a file, both included, counted from 1."""

    path: Path
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.path.as_posix()}:{self.first}-{self.last}"

    def __contains__(self, other: Span) -> bool:
        return self.path == other.path and self.first <= other.first and other.last <= self.last


def read_sources(root: Path) -> tuple[list[Source], list[Violation]]:
    """Every Python file of `CODE` in order of path, and those that do not parse."""
    sources, broken = [], []
    for file in sorted(file for folder in CODE for file in (root / folder).rglob("*.py")):
        path, text = file.relative_to(root), file.read_text(encoding="utf-8")
        try:
            sources.append(Source(path, text, ast.parse(text)))
        except SyntaxError as error:
            broken.append(Violation(path, error.lineno or 1, f"does not parse: {error.msg}"))
    return sources, broken


def check_file_length(source: Source) -> Iterator[Violation]:
    """At most `FILE_LINES` lines."""
    if (count := len(source.lines)) > FILE_LINES:
        yield Violation(
            source.path, FILE_LINES + 1, f"the file has {count} lines, the budget is {FILE_LINES}"
        )


def check_columns(source: Source) -> Iterator[Violation]:
    """Allow `COLUMNS` columns in a line, and more where an address runs over that cannot be broken."""
    for number, line in enumerate(source.lines, 1):
        address = line.find("://")
        if len(line) > COLUMNS and not 0 <= address < COLUMNS:
            message = f"the line has {len(line)} columns, the budget is {COLUMNS}"
            yield Violation(source.path, number, message)


def check_function_length(source: Source) -> Iterator[Violation]:
    """At most `FUNCTION_LINES` lines from `def` to the last line of the body, nested functions included."""
    for function in functions(source.tree):
        count = last_line(function) - function.lineno + 1
        if count > FUNCTION_LINES:
            message = f"function {function.name} has {count} lines, the budget is {FUNCTION_LINES}"
            yield Violation(source.path, function.lineno, message)


def check_converter_length(source: Source) -> Iterator[Violation]:
    """At most `CONVERTER_LINES` lines of code in the body of a function under `@lowering`, within `OPS`."""
    if not source.path.is_relative_to(OPS):
        return
    for function in functions(source.tree):
        count = code_lines(source, function)
        if is_converter(function) and count > CONVERTER_LINES:
            message = f"converter {function.name} has {count} lines of code, the budget is {CONVERTER_LINES}"
            yield Violation(source.path, function.lineno, message)


def check_to_do(source: Source) -> Iterator[Violation]:
    """Each to-do comment names an issue, as in `#12`."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if (
            token.type == tokenize.COMMENT
            and (word := TO_DO.search(token.string))
            and not ISSUE.search(token.string)
        ):
            yield Violation(
                source.path, token.start[0], f"{word[0]} without the number of an issue, as in #12"
            )


def check_word(root: Path) -> Iterator[Violation]:
    """No file of `OPS` holds the forbidden word, or is named by it: layouts are solved for, never spelled out."""
    if not (root / OPS).is_dir():
        yield Violation(OPS, 1, "there is no such folder, so no converter was checked")
    for file in sorted((root / OPS).rglob("*")):
        path = file.relative_to(root)
        if not file.is_file() or "__pycache__" in path.parts:
            continue
        named = [1] if FORBIDDEN_WORD.search(path.relative_to(OPS).as_posix()) else []
        text = file.read_text(encoding="utf-8", errors="replace")
        held = [
            number
            for number, line in enumerate(text.splitlines(), 1)
            if FORBIDDEN_WORD.search(line)
        ]
        for number in named + held:
            message = (
                f'the word "{FORBIDDEN_WORD.pattern}": declare axes, the solver finds the layout'
            )
            yield Violation(path, number, message)


def check_duplication(sources: list[Source]) -> Iterator[Violation]:
    """At most `DUPLICATED_PERCENT` of the lines of `MEASURED` repeat other lines of it; names each repetition."""
    measured = [source for source in sources if source.path.is_relative_to(MEASURED)]
    total = sum(len(source.lines) for source in measured)
    if not total:
        yield Violation(MEASURED, 1, "there is no Python code here, so no duplication was measured")
        return
    # Whole files show what one file shares with others, single definitions what a file repeats within itself.
    pairs = clones(whole_file(source) for source in measured) | clones(
        stream for source in measured for stream in definitions(source)
    )
    repeated = {(copy.path, line) for _, copy in pairs for line in range(copy.first, copy.last + 1)}
    percent = 100 * len(repeated) / total
    if percent <= DUPLICATED_PERCENT:
        return
    originals: dict[Span, Span] = {}
    for original, copy in sorted(pairs):
        originals.setdefault(copy, original)
    share = (
        f"{percent:.1f} % of {total} lines are duplicated, the budget is {DUPLICATED_PERCENT:g} %"
    )
    for copy, original in originals.items():
        if any(copy != other and copy in other for other in originals):
            continue
        lines = copy.last - copy.first + 1
        yield Violation(copy.path, copy.first, f"{lines} lines repeat {original} ({share})")


def clones(streams: Iterator[tuple[Path, str]]) -> set[tuple[Span, Span]]:
    """Equal runs of at least `CLONE_LINES` lines in any two of `streams` (path, text), as (original, copy).

    Imports, signatures, docstrings and comments are left out of the comparison. Every pair is asked for, since the
    report that symilar prints leaves out the third copy of a run and all that follow.
    """
    finder = Symilar(CLONE_LINES, True, True, True, True)  # noqa: FBT003 - comments, docstrings, imports, signatures
    for path, text in streams:
        finder.append_stream(path.as_posix(), io.StringIO(text))
    found = set()
    for pair in finder._iter_sims():  # noqa: SLF001 - the public report is incomplete, see above
        first = Span(Path(pair.fst_lset.name), pair.fst_file_start + 1, pair.fst_file_end)
        second = Span(Path(pair.snd_lset.name), pair.snd_file_start + 1, pair.snd_file_end)
        found.add((min(first, second), max(first, second)))
    return found


def whole_file(source: Source) -> tuple[Path, str]:
    """The file as one stream."""
    return source.path, source.text


def definitions(source: Source) -> Iterator[tuple[Path, str]]:
    """Each function, method and other statement outside them as a stream of its own, at its own line numbers."""
    lines = source.text.splitlines(keepends=True)
    for number, (node, nested) in enumerate(outermost(source.tree)):
        first = min(
            [node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]
        )
        text = "".join(lines[first - 1 : last_line(node)])
        # A method keeps its indentation below a class whose name occurs once, so that this line equals no other.
        head = "\n" * (first - 2) + f"class _{number}:\n" if nested else "\n" * (first - 1)
        yield source.path, head + text


def outermost(tree: ast.Module | ast.ClassDef) -> Iterator[tuple[ast.stmt, bool]]:
    """The statements of a module with its classes opened up, each with whether it stood in a class."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from outermost(node)
        else:
            yield node, isinstance(tree, ast.ClassDef)


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function of a file, methods and nested ones included."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def is_converter(function: Function) -> bool:
    """Whether one of the decorators is `lowering`, called or not, under any prefix."""
    names = (
        ast.unparse(getattr(decorator, "func", decorator)) for decorator in function.decorator_list
    )
    return any(name.rpartition(".")[2] == "lowering" for name in names)


def code_lines(source: Source, function: Function) -> int:
    """Lines of the body that are neither docstring, comment nor blank."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    spans = (range(statement.lineno, last_line(statement) + 1) for statement in body)
    numbers = {number for span in spans for number in span}
    return sum(1 for number in numbers if source.lines[number - 1].strip().partition("#")[0])


def last_line(node: ast.stmt) -> int:
    """The last line of a statement, counted from 1."""
    return node.end_lineno or node.lineno


def check(root: Path) -> list[Violation]:
    """Every violation below `root`, in order of path and line."""
    sources, violations = read_sources(root)
    for source in sources:
        violations += check_file_length(source)
        violations += check_columns(source)
        violations += check_function_length(source)
        violations += check_converter_length(source)
        violations += check_to_do(source)
    return sorted([*violations, *check_word(root), *check_duplication(sources)])


def main(arguments: list[str]) -> int:
    """Check the tree at `arguments[0]`, or the one that this file lies in."""
    violations = check(Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1])
    print(*violations, sep="\n", end="\n" if violations else "")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
