"""The figures are counted as tools/figures.py says, on trees whose numbers are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from figures import COLUMNS, Counts, count_tree, figures_table

HEAD = '"""This is a stage.\n\nIt is long.\n"""\n\n'
BODY = (
    "def act(self, x: int, y, *z: int):\n    # A reason.\n    return x if y else [i for i in z]\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "src/torch2keras/stage.py": HEAD + BODY,
        "src/torch2keras/room/door.py": "a = b\n\n\ndef moved(): ...\n",
        "src/torch2keras/room/deep/door.py": "@lowering(op)\ndef shared(x):\n    return x\n",
        "tools/tool.py": "".join(f"value_{number} = {number}\n" for number in range(10)),
    }
    for path, text in files.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_file_is_counted(root: Path) -> None:
    counts = count_tree(root)["top of the package"]
    assert (counts.files, counts.lines, counts.code) == (1, 8, 2)
    assert (counts.conditionals, counts.comprehensions) == (1, 1)
    assert (counts.arguments, counts.typed) == (3, 2)
    assert (counts.functions, counts.converters) == ((3,), ())


def test_nodes_are_counted_without_contexts(root: Path) -> None:
    file = ["Module", "Assign", "a", "b", "FunctionDef", "arguments", "Expr", "Constant"]
    deep = ["Module", "FunctionDef", "arguments", "x", "Call", "lowering", "op", "Return", "x"]
    assert count_tree(root)["room/"].nodes == len(file + deep)


def test_rooms_and_parts_add_up(root: Path) -> None:
    counts = count_tree(root)
    assert set(list(counts)[:2]) == {"top of the package", "room/"}
    assert list(counts)[2:] == ["src", "tests", "tools", "examples", "benchmarks", "all"]
    assert counts["room/"] + counts["top of the package"] == counts["src"]
    assert counts["tests"] == Counts()
    assert counts["src"].lines + counts["tools"].lines == counts["all"].lines


def test_participles_and_converters_are_counted(root: Path) -> None:
    room = count_tree(root)["room/"]
    assert room.participles == 1
    assert sorted(room.functions) == [1, 2]
    assert room.converters == (1,)


def test_repeated_lines_are_counted_in_the_copy(root: Path) -> None:
    body = "".join(f"    step_{number} = first({number})\n" for number in range(6))
    (root / "tools/copy.py").write_text(f"def one():\n{body}", encoding="utf-8")
    (root / "tools/tool.py").write_text(f"def two():\n{body}", encoding="utf-8")
    (root / "src/torch2keras/stage.py").write_text(f"def three():\n{body}", encoding="utf-8")
    counts = count_tree(root)
    assert (counts["tools"].duplicated, counts["src"].duplicated) == (6, 0)


def test_the_table_has_a_row_for_each_and_dashes_for_nothing(root: Path) -> None:
    head, rule, *rows = figures_table(root).splitlines()
    assert head == "| " + " | ".join(COLUMNS) + " |"
    assert rule.count("|") == head.count("|")
    assert len(rows) == len(count_tree(root))
    assert "| tests | 0 | 0 | - | - | - | - | - | - | - | - |" in rows
    assert (
        "| top of the package | 1 | 8 | 3 | - | 10.0 | 12.5 | 12.5 | 66.7 % | 0.0 % | 0.0 % |"
        in rows
    )
