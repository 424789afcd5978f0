"""The repeated lines of the source, as pylint's symilar finds them."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pylint.checkers.symilar import Symilar

from source_files import Function, Source, Violation, last_line

MEASURED = Path("src")
DUPLICATED_PERCENT = 3.0
CLONE_LINES = 4  # symilar's own default; shorter runs of equal lines are chance


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


def check_duplication(sources: list[Source]) -> Iterator[Violation]:
    """Allow `DUPLICATED_PERCENT` of the lines of `MEASURED` to repeat others."""
    measured = [source for source in sources if source.path.is_relative_to(MEASURED)]
    total = sum(len(source.lines) for source in measured)
    if not total:
        message = "there is no Python code here, so no duplication was measured"
        yield Violation(MEASURED, 1, message)
        return
    pairs = find_copies(measured)
    percent = 100 * len(lines_of_copies(pairs)) / total
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


def find_copies(sources: list[Source]) -> set[tuple[Span, Span]]:
    """Find the runs of lines that occur twice in `sources`, as pairs (original, copy)."""
    # Whole files show what one file shares with others, single definitions what it repeats itself.
    pairs = clones((source.path, "".join(blank_signatures(source))) for source in sources)
    for source in sources:
        pairs |= clones(definitions(source))
    return pairs


def lines_of_copies(pairs: Iterable[tuple[Span, Span]]) -> set[tuple[Path, int]]:
    """Return (path, line) of every line that lies in a copy."""
    repeated: set[tuple[Path, int]] = set()
    for _, copy in pairs:
        repeated.update((copy.path, line) for line in range(copy.first, copy.last + 1))
    return repeated


def clones(streams: Iterable[tuple[Path, str]]) -> set[tuple[Span, Span]]:
    """Find equal runs of `CLONE_LINES` lines and more in two of `streams`, as (original, copy).

    A stream is (path, text). Docstrings and comments are left out of the comparison. Every pair is
    asked for, since the report that symilar prints leaves out the third copy of a run and all that
    follow.
    """
    # To leave out imports and signatures as well, symilar infers types: minutes, not seconds.
    finder = Symilar(CLONE_LINES, True, True, False, False)  # noqa: FBT003 - comments, docstrings
    for path, text in streams:
        finder.append_stream(path.as_posix(), io.StringIO(text))
    found = set()
    for pair in finder._iter_sims():  # noqa: SLF001 - the public report is incomplete, see above
        first = Span(Path(pair.fst_lset.name), pair.fst_file_start + 1, pair.fst_file_end)
        second = Span(Path(pair.snd_lset.name), pair.snd_file_start + 1, pair.snd_file_end)
        found.add((min(first, second), max(first, second)))
    return found


def blank_signatures(source: Source) -> list[str]:
    """Return the lines of a file with blank ones in place of imports and signatures."""
    lines = source.text.splitlines(keepends=True)
    for node in ast.walk(source.tree):
        left_out = range(0)
        if isinstance(node, ast.Import | ast.ImportFrom):
            left_out = range(node.lineno, last_line(node) + 1)
        elif isinstance(node, Function):
            left_out = range(node.lineno, node.body[0].lineno)
        for number in left_out:
            lines[number - 1] = "\n"
    return lines


def definitions(source: Source) -> Iterator[tuple[Path, str]]:
    """Yield each function, method and other statement as a stream, at its own line numbers."""
    lines = blank_signatures(source)
    for node in outermost(source.tree):
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        text = "".join(lines[first - 1 : last_line(node)])
        yield source.path, "\n" * (first - 1) + text


def outermost(tree: ast.Module | ast.ClassDef) -> Iterator[ast.stmt]:
    """Yield the statements of a module and those of its classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from outermost(node)
        else:
            yield node
