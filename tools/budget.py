"""The budget of the tree: prints each violation as `path:line: message`, and exits with 1 then.

    python tools/budget.py [ROOT]
    python tools/budget.py --table [ROOT]    # the figures of the tree instead

    lines of a file                                                    500
    columns of a line                                                  100
    lines of a function, with signature and docstring                   60
    lines of code in a converter's body                                 15
    conditional expressions in 100 lines of a file                       3
    comprehensions in 100 lines of a file                                5
    one of these in one of its kind                                nowhere
    Python files in a folder of the package, and at its top       20 and 8
    a source file of the package without a test file of its name   nowhere
    a function named by a participle                               nowhere
    a docstring that begins with no sentence, or with "Of"         nowhere
    duplicated lines of src, found by pylint's symilar                 3 %
    the word "nhwc" in the converters' folder                      nowhere
    a to-do comment without an issue number                        nowhere

A converter is a function under `@lowering(...)` in the folder `OPS`. Its docstring, comments and
blank lines do not count: nobody is to save on reasons. Densities, names and docstrings of tests are
free.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from density import check_density
from duplication import check_duplication
from figures import figures_table
from naming import check_docstrings, check_names
from source_files import (
    OPS,
    PACKAGE,
    Source,
    Violation,
    body_lines,
    functions,
    is_converter,
    last_line,
    read_sources,
)

FILE_LINES = 500
COLUMNS = 100
FUNCTION_LINES = 60
CONVERTER_LINES = 15
FOLDER_FILES = 20
TOP_FILES = 8

FORBIDDEN_WORD = re.compile("nhwc", re.IGNORECASE)
TO_DO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
ISSUE = re.compile(r"#\d+")


def check_file_length(source: Source) -> Iterator[Violation]:
    """Allow `FILE_LINES` lines."""
    count = len(source.lines)
    if count > FILE_LINES:
        message = f"the file has {count} lines, the budget is {FILE_LINES}"
        yield Violation(source.path, FILE_LINES + 1, message)


def check_columns(source: Source) -> Iterator[Violation]:
    """Allow `COLUMNS` columns in a line, and more where an address runs over."""
    for number, line in enumerate(source.lines, 1):
        address = line.find("://")
        if len(line) > COLUMNS and not 0 <= address < COLUMNS:
            message = f"the line has {len(line)} columns, the budget is {COLUMNS}"
            yield Violation(source.path, number, message)


def check_function_length(source: Source) -> Iterator[Violation]:
    """Allow `FUNCTION_LINES` lines from `def` to the last, nested functions included."""
    for function in functions(source.tree):
        count = last_line(function) - function.lineno + 1
        if count > FUNCTION_LINES:
            message = f"function {function.name} has {count} lines, the budget is {FUNCTION_LINES}"
            yield Violation(source.path, function.lineno, message)


def check_converter_length(source: Source) -> Iterator[Violation]:
    """Allow `CONVERTER_LINES` lines of code in the body of a converter."""
    if not source.path.is_relative_to(OPS):
        return
    for function in functions(source.tree):
        count = body_lines(source, function)
        if is_converter(function) and count > CONVERTER_LINES:
            size = f"has {count} lines of code, the budget is {CONVERTER_LINES}"
            yield Violation(source.path, function.lineno, f"converter {function.name} {size}")


def check_to_do(source: Source) -> Iterator[Violation]:
    """Ask each to-do comment for an issue, as in `#12`."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type != tokenize.COMMENT or ISSUE.search(token.string):
            continue
        if word := TO_DO.search(token.string):
            message = f"{word[0]} without the number of an issue, as in #12"
            yield Violation(source.path, token.start[0], message)


def check_word(root: Path) -> Iterator[Violation]:
    """Ask that no file of `OPS` holds the forbidden word, or is named by it."""
    if not (root / OPS).is_dir():
        yield Violation(OPS, 1, "there is no such folder, so no converter was checked")
    for file in sorted((root / OPS).rglob("*")):
        path = file.relative_to(root)
        if not file.is_file() or "__pycache__" in path.parts:
            continue
        message = f'the word "{FORBIDDEN_WORD.pattern}": declare axes, the solver finds the layout'
        if FORBIDDEN_WORD.search(path.relative_to(OPS).as_posix()):
            yield Violation(path, 1, message)
        text = file.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if FORBIDDEN_WORD.search(line):
                yield Violation(path, number, message)


def check_folders(sources: list[Source]) -> Iterator[Violation]:
    """Allow `FOLDER_FILES` files in each folder of the package, and `TOP_FILES` at its top."""
    counts = Counter(source.path.parent for source in sources)
    for folder, count in sorted(counts.items()):
        if not folder.is_relative_to(PACKAGE):
            continue
        allowed = TOP_FILES if folder == PACKAGE else FOLDER_FILES
        if count > allowed:
            message = f"the folder has {count} Python files, the budget is {allowed}"
            yield Violation(folder, 1, message)


def check_tests(sources: list[Source]) -> Iterator[Violation]:
    """Ask for `tests/a/test_b.py` where the package has `a/b.py`; `__init__.py` needs none."""
    present = {source.path for source in sources}
    for source in sources:
        if not source.path.is_relative_to(PACKAGE) or source.path.name == "__init__.py":
            continue
        folder = Path("tests") / source.path.relative_to(PACKAGE).parent
        test = folder / f"test_{source.path.name}"
        if test not in present:
            yield Violation(source.path, 1, f"there is no {test.as_posix()}")


def check(root: Path) -> list[Violation]:
    """Return every violation below `root`, in order of path and line."""
    sources, violations = read_sources(root)
    for source in sources:
        violations += check_file_length(source)
        violations += check_columns(source)
        violations += check_function_length(source)
        violations += check_converter_length(source)
        violations += check_density(source)
        violations += check_names(source)
        violations += check_docstrings(source)
        violations += check_to_do(source)
    violations += check_word(root)
    violations += check_folders(sources)
    violations += check_tests(sources)
    violations += check_duplication(sources)
    return sorted(violations)


def main(arguments: list[str]) -> int:
    """Check the tree that is named, or the one that this file lies in, or print its figures."""
    roots = [argument for argument in arguments if argument != "--table"]
    root = Path(roots[0]) if roots else Path(__file__).resolve().parents[1]
    if "--table" in arguments:
        print(figures_table(root))
        return 0
    violations = check(root)
    print(*violations, sep="\n", end="\n" if violations else "")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
