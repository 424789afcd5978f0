"""The size budget catches each kind of violation, at its line, and passes what is just within."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import budget
import figures

OP = "src/torch2keras/ops/family.py"
PLAIN = "src/torch2keras/stage.py"
TESTS = ("tests/ops/test_family.py", "tests/test_stage.py")
WORD = "nh" + "wc"  # written apart, so that a search for the word over the repository stays empty
TO_DO = "TO" + "DO"  # the same


def numbered(count: int, indent: str = "") -> str:
    """`count` lines of which no two are equal."""
    return "".join(f"{indent}value_{number} = {number}\n" for number in range(count))


def function(lines: int, name: str = "_long") -> str:
    """A function of `lines` lines, signature included."""
    return f"def {name}():\n" + numbered(lines - 1, "    ")


def converter(lines: int, decorator: str = "@lowering(aten.relu.default)") -> str:
    """A converter with `lines` lines of code in its body, and others that do not count."""
    return (
        f'{decorator}\ndef relu(\n    x,\n):\n    """Give two lines\n    of docstring."""\n'
        "    # A reason.\n\n" + numbered(lines, "    ")
    )


def repeated(*names: str) -> str:
    """One body of six equal lines under each name."""
    body = "".join(f"    step_{number} = first(step_{number}, {number})\n" for number in range(6))
    return "\n\n".join(f"def _{name}(first):\n{body}" for name in names)


def conditionals(lines: int) -> str:
    """`lines` lines with a conditional expression each."""
    return "".join(f"choice_{number} = a if b else {number}\n" for number in range(lines))


def folder(path: str, files: int) -> dict[str, str]:
    """`files` empty files in a folder, and a test for each in case it is one of the package."""
    names = [f"file_{number}.py" for number in range(files)]
    tests = path.replace("src/torch2keras", "tests")
    return {f"{tests}/test_{name}": "" for name in names} | {f"{path}/{name}": "" for name in names}


def write(root: Path, files: dict[str, str]) -> Path:
    """Write a tree that is within the budget but for `files`."""
    least = {PLAIN: '"""This is a stage."""\n', OP: '"""This is a family."""\n'}
    for path, text in (least | dict.fromkeys(TESTS, "") | files).items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def at(violations: list[budget.Violation]) -> list[tuple[str, int]]:
    return [(violation.path.as_posix(), violation.line) for violation in violations]


# What is over the budget: files, the place, a part of the message.
OVER = {
    "file": ({PLAIN: numbered(501)}, (PLAIN, 501), "501 lines"),
    "file in tests": (
        {"tests/test_stage.py": numbered(501)},
        ("tests/test_stage.py", 501),
        "501 lines",
    ),
    "file in tools": ({"tools/tool.py": numbered(501)}, ("tools/tool.py", 501), "501 lines"),
    "file in examples": ({"examples/net.py": numbered(501)}, ("examples/net.py", 501), "501 lines"),
    "file in benchmarks": (
        {"benchmarks/speed.py": numbered(501)},
        ("benchmarks/speed.py", 501),
        "501 lines",
    ),
    "columns": ({PLAIN: "x = 1\n# " + "y" * 99 + "\n"}, (PLAIN, 2), "101 columns"),
    "columns in tests": ({"tests/test_a.py": "#" * 101}, ("tests/test_a.py", 1), "101 columns"),
    "function": ({PLAIN: "\n\n" + function(61)}, (PLAIN, 3), "function _long has 61 lines"),
    "async function": ({PLAIN: "async " + function(61)}, (PLAIN, 1), "function _long has 61 lines"),
    "method": (
        {PLAIN: "class _A:\n    def f(self):\n" + numbered(60, "        ")},
        (PLAIN, 2),
        "function f has 61",
    ),
    "converter": ({OP: converter(16)}, (OP, 2), "converter relu has 16 lines of code"),
    "converter, dotted": (
        {OP: converter(16, "@t2k.lowering(aten.relu.default)")},
        (OP, 2),
        "converter relu has 16",
    ),
    "converter, bare": ({OP: converter(16, "@lowering")}, (OP, 2), "converter relu has 16"),
    "converter, second decorator": (
        {OP: converter(16, "@cache\n@lowering(op)")},
        (OP, 3),
        "converter relu has 16",
    ),
    "conditional expressions": (
        {PLAIN: numbered(10) + conditionals(4) + numbered(86)},
        (PLAIN, 14),
        "4 conditional expressions in 100 lines, the budget is 3",
    ),
    "conditional expressions in a long file": (
        {PLAIN: conditionals(8) + numbered(225)},
        (PLAIN, 7),
        "8 conditional expressions in 233 lines, the budget is 6",
    ),
    "conditional expressions in tools": (
        {"tools/tool.py": conditionals(4)},
        ("tools/tool.py", 4),
        "4 conditional expressions in 4 lines, the budget is 3",
    ),
    "participle in an example": (
        {"examples/net.py": "def _moved(x): ...\n"},
        ("examples/net.py", 1),
        "function _moved is named",
    ),
    "comprehensions": (
        {OP: "a = [x for x in y]\nb = {x for x in y}\nc = {x: x for x in y}\n" * 2},
        (OP, 6),
        "6 comprehensions in 6 lines, the budget is 5",
    ),
    "generator expressions": (
        {PLAIN: "".join(f"value_{n} = max(x for x in y)\n" for n in range(6))},
        (PLAIN, 6),
        "6 comprehensions in 6 lines, the budget is 5",
    ),
    "conditional in a conditional": (
        {PLAIN: "a = b if c else (\n    d if e else f\n)\n"},
        (PLAIN, 2),
        "a conditional expression in a conditional expression",
    ),
    "conditional in the condition of one": (
        {PLAIN: "a = b if max(1 if c else 2, 3) else d\n"},
        (PLAIN, 1),
        "a conditional expression in a conditional expression",
    ),
    "comprehension in a comprehension": (
        {PLAIN: "a = [\n    sum(x for x in y)\n    for y in z\n]\n"},
        (PLAIN, 2),
        "a comprehension in a comprehension",
    ),
    "comprehension with two for": (
        {PLAIN: "\na = {x for y in z for x in y}\n"},
        (PLAIN, 2),
        "a comprehension in a comprehension",
    ),
    "files in a folder": (
        folder("src/torch2keras/room", 21),
        ("src/torch2keras/room", 1),
        "has 21",
    ),
    "files at the top": (folder("src/torch2keras", 8), ("src/torch2keras", 1), "has 9"),
    "no test": (
        {"src/torch2keras/room/door.py": ""},
        ("src/torch2keras/room/door.py", 1),
        "there is no tests/room/test_door.py",
    ),
    "test in another folder": (
        {"src/torch2keras/room/door.py": "", "tests/test_door.py": ""},
        ("src/torch2keras/room/door.py", 1),
        "there is no tests/room/test_door.py",
    ),
    "participle": ({PLAIN: "x = 1\ndef _moved(x): ...\n"}, (PLAIN, 2), "function _moved is named"),
    "participle in front": ({PLAIN: "def _padded_size(x): ...\n"}, (PLAIN, 1), "_padded_size is"),
    "participle in -ing": ({PLAIN: "def _sharing(x): ...\n"}, (PLAIN, 1), "_sharing is named"),
    "irregular participle": ({PLAIN: "def _rebuilt(x): ...\n"}, (PLAIN, 1), "_rebuilt is named"),
    "participle as a method": (
        {PLAIN: "class _A:\n    def written(self): ...\n"},
        (PLAIN, 2),
        "function written is named by a participle",
    ),
    "participle within a function": (
        {PLAIN: "def _act():\n    def held(): ...\n"},
        (PLAIN, 2),
        "function held is named by a participle",
    ),
    "docstring with Of": (
        {PLAIN: 'def size(x):\n    """Of each dimension."""\n'},
        (PLAIN, 2),
        'begins with "Of"',
    ),
    "docstring of a method with Of": (
        {PLAIN: 'class _A:\n    def size(x):\n        """Of each dimension."""\n'},
        (PLAIN, 3),
        'begins with "Of"',
    ),
    "docstring of two words": ({PLAIN: '"""A stage."""\n'}, (PLAIN, 1), "does not begin with a"),
    "docstring without a period": (
        {PLAIN: 'def size(x):\n    """Return the size"""\n'},
        (PLAIN, 2),
        "does not begin with a sentence",
    ),
    "docstring without a capital": (
        {PLAIN: 'class Size:\n    """the sizes of a value."""\n'},
        (PLAIN, 2),
        "does not begin with a sentence",
    ),
    "no docstring": ({PLAIN: "def size(x): ...\n"}, (PLAIN, 1), "size is public and has no docstr"),
    "no docstring of a class": ({PLAIN: "class Size: ...\n"}, (PLAIN, 1), "Size is public and has"),
    "word": ({OP: f'"""This is a family."""\n\nORDER = "{WORD}"\n'}, (OP, 3), WORD),
    "word in capitals": ({OP: f"# {WORD.upper()} first\n"}, (OP, 1), WORD),
    "word within another": ({OP: f"to_{WORD}_order = 1\n"}, (OP, 1), WORD),
    "word in a page": (
        {"src/torch2keras/ops/notes.md": f"a\n{WORD}\n"},
        ("src/torch2keras/ops/notes.md", 2),
        WORD,
    ),
    "word in a name": (
        {f"src/torch2keras/ops/{WORD}.txt": ""},
        (f"src/torch2keras/ops/{WORD}.txt", 1),
        WORD,
    ),
    "to-do": ({PLAIN: f"x = 1\ny = 2  # {TO_DO}: later\n"}, (PLAIN, 2), f"{TO_DO} without"),
    "to-do in tests": (
        {"tests/test_a.py": "# FIX" + "ME (me) 12\n"},
        ("tests/test_a.py", 1),
        "without the number",
    ),
    "does not parse": ({PLAIN: "x = 1\ndef f(:\n"}, (PLAIN, 2), "does not parse"),
    "duplicated across files": (
        {PLAIN: repeated("a"), OP: repeated("b")},
        (PLAIN, 2),
        f"6 lines repeat {OP}:2-7",
    ),
    "duplicated in one file": (
        {PLAIN: repeated("a", "b")},
        (PLAIN, 11),
        f"6 lines repeat {PLAIN}:2-7",
    ),
    "duplicated methods": (
        {
            PLAIN: "class _A:\n"
            + "".join(f"    {line}\n" for line in repeated("a", "b").splitlines())
        },
        (PLAIN, 12),
        f"6 lines repeat {PLAIN}:3-8",
    ),
}

# What is just within it.
WITHIN = {
    "file": {PLAIN: numbered(500)},
    "columns": {PLAIN: "# " + "y" * 98 + "\n"},
    "an address that runs over": {PLAIN: "# see https://" + "y" * 99 + "\n"},
    "function": {PLAIN: function(60)},
    "decorators are not the function": {PLAIN: "@first\n@second\n" + function(60)},
    "converter": {OP: converter(15)},
    "conditional expressions": {PLAIN: conditionals(3)},
    "conditional expressions in a long file": {PLAIN: conditionals(6) + numbered(194)},
    "conditional expressions in tests": {TESTS[1]: conditionals(9)},
    "names and docstrings in tests": {TESTS[1]: "def moved(): ...\n"},
    "comprehensions": {PLAIN: "a = [x for x in y]\nb = {x for x in y}\n" * 2 + "max(x for x in y)"},
    "conditional in a comprehension": {PLAIN: "a = [x if x else y for x in z]\n"},
    "comprehension in a conditional": {PLAIN: "a = [x for x in y] if z else {x for x in z}\n"},
    "files in a folder": folder("src/torch2keras/room", 20),
    "files below a folder": folder("src/torch2keras/room", 19)
    | folder("src/torch2keras/room/b", 19),
    "files at the top": folder("src/torch2keras", 7),
    "files in a folder of tests": folder("tests/room", 30),
    "the front door needs no test": {"src/torch2keras/room/__init__.py": ""},
    "words that only end like a participle": {
        PLAIN: "def _seed(): ...\ndef _string(): ...\ndef _need_one(): ...\n"
    },
    "nouns of the field": {PLAIN: "def _padding(): ...\ndef _embedding_size(): ...\n"},
    "a participle at the end": {PLAIN: "def _is_padded(): ...\ndef _drop_unused(): ...\n"},
    "names of PyTorch": {PLAIN: "def _named_parameters(): ...\ndef _searchsorted_scalar(): ...\n"},
    "a property": {PLAIN: "class _A:\n    @property\n    def ordered(self): ...\n"},
    "a converter's name": {OP: "@lowering(aten.shared.default)\ndef shared(): ...\n"},
    "a sentence": {
        PLAIN: 'def size(x):\n    """Return the size\n    of x.\n\n    lower case\n    """\n',
        OP: 'class Size:\n    """`size` is the key of these:\n\n    1, 2\n    """\n',
    },
    "private without a docstring": {PLAIN: "def _size(x): ...\nclass _Size: ...\n"},
    "method without a docstring": {PLAIN: "class _A:\n    def size(self): ...\n"},
    "only a converter": {OP: converter(16, "@cache")},
    "only in ops": {PLAIN: converter(16) + f'ORDER = "{WORD}"\n'},
    "to-do with an issue": {PLAIN: f"# {TO_DO}(#12): later\n"},
    "to-do that is text": {PLAIN: f'MESSAGE = "{TO_DO} list"\n'},
    "signatures": {
        PLAIN: "def _f(\n    a,\n    b,\n    c,\n    d,\n): ...\n",
        OP: "def _g(\n    a,\n    b,\n    c,\n    d,\n): ...\n",
    },
    "imports": dict.fromkeys((PLAIN, OP), "import a\nimport b\nimport c\nimport d\nimport e\n"),
    "three equal lines": {
        path: f"{name} = 0\n" + numbered(3) for path, name in ((PLAIN, "p"), (OP, "o"))
    },
    "equal tests": {"tests/test_a.py": repeated("a"), "tests/test_b.py": repeated("b")},
    "6 equal lines in 207": {PLAIN: repeated("a") + numbered(193), OP: repeated("b")},
}


@pytest.mark.parametrize("case", OVER)
def test_a_violation_is_named_at_its_line(tmp_path: Path, case: str) -> None:
    files, place, message = OVER[case]
    found = budget.check(write(tmp_path, files))
    assert at(found) == [place]
    assert message in found[0].message


@pytest.mark.parametrize("case", WITHIN)
def test_what_is_within_the_budget_passes(tmp_path: Path, case: str) -> None:
    assert budget.check(write(tmp_path, WITHIN[case])) == []


def test_the_share_of_duplicated_lines_counts_every_copy_but_the_first(tmp_path: Path) -> None:
    files = {f"src/{name}.py": repeated(name) + f"{name} = 0\n" for name in "abcd"} | {
        PLAIN: numbered(64),
        OP: "",
    }
    found = budget.check(write(tmp_path, files))
    assert at(found) == [("src/b.py", 2), ("src/c.py", 2), ("src/d.py", 2)]
    assert all("18.8 % of 96 lines" in violation.message for violation in found)


def test_copies_within_and_across_files_count_once(tmp_path: Path) -> None:
    found = budget.check(
        write(
            tmp_path, {"src/a.py": repeated("a", "b"), "src/c.py": repeated("c"), PLAIN: "", OP: ""}
        )
    )
    assert at(found) == [("src/a.py", 11), ("src/c.py", 2)]
    total = 16 + 7
    assert f"{100 * 12 / total:.1f} % of {total} lines" in found[0].message


def test_a_copy_within_a_longer_copy_is_not_named_again(tmp_path: Path) -> None:
    found = budget.check(
        write(tmp_path, {PLAIN: repeated("a") + numbered(5), OP: repeated("b") + numbered(5)})
    )
    assert at(found) == [(PLAIN, 2)]
    assert "11 lines repeat" in found[0].message


def test_a_tree_with_nothing_to_measure_does_not_pass(tmp_path: Path) -> None:
    assert at(budget.check(tmp_path)) == [("src", 1), ("src/torch2keras/ops", 1)]


def test_the_command_prints_the_figures_instead(tmp_path: Path) -> None:
    root = write(tmp_path, {PLAIN: numbered(501)})
    command = [sys.executable, budget.__file__, "--table", root]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{figures.figures_table(root)}\n"
    assert "| src | 2 | 502 |" in done.stdout


@pytest.mark.parametrize(("files", "code"), [({}, 0), ({PLAIN: numbered(501), OP: "\n" * 501}, 1)])
def test_the_command_prints_each_violation_and_says_so_by_its_exit_code(
    tmp_path: Path, files: dict[str, str], code: int
) -> None:
    root = write(tmp_path, files)
    done = subprocess.run(
        [sys.executable, budget.__file__, root], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == "".join(f"{violation}\n" for violation in budget.check(root))
    assert done.stdout.count("\n") == len(files)
    assert all(line.startswith("src/") for line in done.stdout.splitlines())
