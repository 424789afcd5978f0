"""docs/architecture.md shows the tree as it is, and a conversion takes the way that it tells."""

from __future__ import annotations

import ast
import math
import re
import sys
from pathlib import Path
from types import CodeType, FrameType

import pytest
import torch

import architecture
import figures
import torch2keras as t2k
from source_files import PACKAGE

ROOT = Path(__file__).resolve().parents[1]
STEP = re.compile(r"^\| `([\w/]+\.py)` \| `([\w.]+)` \|", re.MULTILINE)
NUMBER = re.compile(r"^[\d.]+(?= %$|$)")
UNMEASURED = "duplicated"
"""The column that takes long to measure; the budget bounds it."""


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / architecture.PAGE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def walk(page: str) -> list[tuple[str, str]]:
    return STEP.findall(page)


@pytest.mark.parametrize("section", ["floors", "rooms"])
def test_the_page_shows_the_tree(page: str, section: str) -> None:
    shown = architecture.split_page(page, section)[1]
    assert shown == architecture.SECTIONS[section](ROOT), "run `make map`"


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_figures_are_near(page: str) -> None:
    shown = architecture.split_page(page, "figures")[1].splitlines()
    now = figures.figures_table(ROOT, with_copies=False).splitlines()
    assert [cells(row)[0] for row in shown] == [cells(row)[0] for row in now], "run `make map`"
    for old, new in zip(shown[2:], now[2:], strict=True):
        for column, a, b in zip(figures.COLUMNS, cells(old), cells(new), strict=True):
            if column != UNMEASURED:
                assert is_near(a, b), f"{column}: {a} on the page, {b} in the tree; run `make map`"


def is_near(a: str, b: str) -> bool:
    """Whether two cells are equal, or numbers that differ by a tenth or by 1."""
    first, second = NUMBER.match(a), NUMBER.match(b)
    if a == b or first is None or second is None:
        return a == b
    return math.isclose(float(first[0]), float(second[0]), rel_tol=0.1, abs_tol=1)


@pytest.mark.parametrize(
    ("a", "b", "near"),
    [
        ("7", "8", True),
        ("7", "8.1", False),
        ("1000", "1111", True),
        ("1000", "1120", False),
        ("12.0 %", "12.9 %", True),
        ("12.0 %", "14 %", False),
        ("-", "-", True),
        ("-", "2", False),
        ("src", "tests", False),
    ],
)
def test_what_is_near(a: str, b: str, near: bool) -> None:
    assert is_near(a, b) is near


def test_every_function_of_the_walk_exists(walk: list[tuple[str, str]]) -> None:
    for path, name in walk:
        tree = ast.parse((ROOT / PACKAGE / path).read_text(encoding="utf-8"))
        scope: ast.AST | None = tree
        for part in name.split("."):
            members = {getattr(node, "name", None): node for node in getattr(scope, "body", [])}
            scope = members.get(part)
        assert isinstance(scope, ast.FunctionDef), f"{path} has no {name}"


def test_a_conversion_takes_the_walk(
    walk: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    called = list_calls(monkeypatch)
    for path, name in walk:
        assert (path, name) in called, f"{path} {name} is not called"
    assert walk == sorted(walk, key=called.index)


def list_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The functions of the package that the conversion of the page calls, by their first call."""
    folder = str(Path(t2k.__file__).parent)
    codes: dict[CodeType, None] = {}

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(folder):
            codes.setdefault(frame.f_code)

    t2k.convert  # noqa: B018 - the modules are imported; below only the name is new
    monkeypatch.delitem(vars(t2k), "convert")
    module = torch.nn.Conv1d(3, 16, 5, stride=2, padding=2).eval()
    example = torch.randn(2, 3, 101)
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        text = str(t2k.convert(module, example).report)
    finally:
        sys.setprofile(before)
    assert "ZeroPadding1D + Conv1D" in text
    files = [Path(code.co_filename).relative_to(folder).as_posix() for code in codes]
    return [(file, code.co_qualname) for file, code in zip(files, codes, strict=True)]


def test_the_walk_goes_through_every_room_that_converts(walk: list[tuple[str, str]]) -> None:
    rooms = {path.split("/")[0].removesuffix(".py") for path, _ in walk}
    beside = {"errors", "op_facts", "extend", "inspection", "explanation", "cli"}
    beside |= {
        "training",
        "fitting",
        "twins",
        "checkpoints",
        "exported_files",
    }  # who trains, or has one already
    beside |= {"deployment", "deployment_forms", "distribution"}  # for what runs elsewhere
    names = {re.sub(r"/|\.py$", "", room.name) for floor in architecture.FLOORS for room in floor}
    assert rooms == names - beside


def test_what_follows_from_other_arrows_is_left_out() -> None:
    graph = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "e": {"d"}}
    expected = {"a": {"b"}, "b": {"c"}, "c": {"d"}, "e": {"d"}}
    assert architecture.leave_out_implied(graph) == expected


def test_a_drawing_shows_floors_rooms_and_imports(tmp_path: Path) -> None:
    files = {
        "graph/ir.py": "from torch2keras.errors import Error\n",
        "lower/lower.py": "from torch2keras.graph.ir import Node\nimport torch2keras.errors\n",
        "errors.py": "",
    }
    for path, text in files.items():
        file = tmp_path / PACKAGE / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    lines = architecture.draw_floors(tmp_path).splitlines()
    assert lines[:2] == ["```mermaid", "flowchart TB"]
    assert lines[-3:] == [
        "  room_graph --> room_errors",
        "  room_lower --> room_graph",
        "```",
    ]
    place = lines.index('  subgraph floor_6["floor 6"]')
    assert lines[place + 1 : place + 3] == ['    room_lower["lower/"]', "  end"]


def test_a_page_without_a_part_is_refused() -> None:
    with pytest.raises(ValueError, match="has no part floors"):
        architecture.renew_page("# Architecture\n", ROOT)
