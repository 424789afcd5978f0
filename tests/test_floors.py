"""The package stands on the floors of tools/floors.py, and the checks find what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

import floors
from source_files import Source

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "src/torch2keras"


@pytest.fixture(scope="module")
def package() -> list[Source]:
    return floors.read_package(ROOT)


@pytest.mark.parametrize("check", floors.CHECKS, ids=lambda check: check.__name__)
def test_the_package_passes(package: list[Source], check: floors.Check) -> None:
    found = sorted(check(package))
    listed = "\n".join(map(str, found))
    assert not found, f"{len(found)} violations:\n{listed}"


def write(root: Path, files: dict[str, str]) -> list[Source]:
    """Write files below the package, with one each for every room, and read them."""
    rooms = {f"{name}__init__.py" if name.endswith("/") else name: "" for name in floors.HEIGHT}
    for path, text in (rooms | files).items():
        file = root / PACKAGE / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return floors.read_package(root)


# A check, files of the package, and the places and messages that it gives.
CASES = {
    "a new room": (
        floors.check_rooms,
        {"attic/box.py": ""},
        {"attic/box.py:1": "attic/ stands on no"},
    ),
    "a new file at the top": (
        floors.check_rooms,
        {"box.py": ""},
        {"box.py:1": "box.py stands on no"},
    ),
    "upward": (
        floors.check_floors,
        {"graph/ir.py": "\nfrom torch2keras.lower.lower import lower\n", "lower/lower.py": ""},
        {"graph/ir.py:2": "graph/ on floor 3 imports from floor 6: torch2keras.lower.lower"},
    ),
    "upward, of a package": (
        floors.check_floors,
        {"graph/ir.py": "import torch2keras\n"},
        {"graph/ir.py:1": "graph/ on floor 3 imports from floor 12: torch2keras"},
    ),
    "upward, by the name of a module": (
        floors.check_floors,
        {"graph/ir.py": "from torch2keras.lower import lower\n", "lower/lower.py": ""},
        {"graph/ir.py:1": "floor 6: torch2keras.lower.lower"},
    ),
    "upward, relative": (
        floors.check_floors,
        {"graph/ir.py": "from ..lower.lower import run\n", "lower/lower.py": ""},
        {"graph/ir.py:1": "floor 6: torch2keras.lower.lower"},
    ),
    "upward, for types alone": (
        floors.check_floors,
        {"graph/ir.py": "if TYPE_CHECKING:\n    from torch2keras.pipeline import convert\n"},
        {"graph/ir.py:2": "floor 12: torch2keras.pipeline"},
    ),
    "upward, within a function": (
        floors.check_floors,
        {"graph/ir.py": "def act():\n    import torch2keras.pipeline as p\n"},
        {"graph/ir.py:2": "floor 12: torch2keras.pipeline"},
    ),
    "upward, by a string": (
        floors.check_floors,
        {"graph/ir.py": 'importlib.import_module("torch2keras.pipeline")\n'},
        {"graph/ir.py:1": "floor 12: torch2keras.pipeline"},
    ),
    "aside": (
        floors.check_floors,
        {"graph/ir.py": "from torch2keras.capture.export import export\n", "capture/export.py": ""},
        {"graph/ir.py:1": "graph/ on floor 3 imports from floor 3: torch2keras.capture.export"},
    ),
    "backward on the top floor": (
        floors.check_floors,
        {"converted.py": "from torch2keras.pipeline import convert\n"},
        {"converted.py:1": "converted.py on floor 12 imports from floor 12"},
    ),
    "downward, within a room, and forward on the top floor": (
        floors.check_floors,
        {
            "graph/ir.py": "from torch2keras.errors import Error\nimport torch2keras.graph.size\n",
            "graph/size.py": "from . import __init__\nfrom ..errors import Error\nimport torch\n",
            "pipeline.py": "from torch2keras.converted import Converted\n",
            "cli/main.py": "import torch2keras as t2k\n",
        },
        {},
    ),
    "a circle": (
        floors.check_circles,
        {
            "graph/ir.py": "\nfrom torch2keras.graph.size import size\n",
            "graph/size.py": "from torch2keras.graph import term\n",
            "graph/term.py": "def act():\n    from torch2keras.graph.ir import Value\n",
            "graph/other.py": "from torch2keras.graph.ir import Value\n",
        },
        {
            "graph/ir.py:2": "torch2keras.graph.ir -> torch2keras.graph.size -> torch2keras.graph.",
            "graph/size.py:1": "torch2keras.graph.size -> torch2keras.graph.term -> torch2keras.",
            "graph/term.py:2": "torch2keras.graph.term -> torch2keras.graph.ir -> torch2keras.",
        },
    ),
    "a circle of one": (
        floors.check_circles,
        {"graph/ir.py": "from torch2keras.graph.ir import Value\n"},
        {"graph/ir.py:1": "torch2keras.graph.ir -> torch2keras.graph.ir"},
    ),
    "a family imports a family": (
        floors.check_families,
        {"ops/nn/conv.py": "from torch2keras.ops.nn.pad import f\n", "ops/nn/pad.py": ""},
        {"ops/nn/conv.py:1": "a family imports the family torch2keras.ops.nn.pad"},
    ),
    "a block imports a family": (
        floors.check_families,
        {"ops/blocks/pads.py": "from torch2keras.ops.nn.pad import f\n", "ops/nn/pad.py": ""},
        {"ops/blocks/pads.py:1": "a block imports the family torch2keras.ops.nn.pad"},
    ),
    "families and blocks import blocks": (
        floors.check_families,
        {
            "ops/nn/conv.py": "from torch2keras.ops.blocks.pads import f\n",
            "ops/blocks/pads.py": "from torch2keras.ops.blocks import slices\n",
            "ops/blocks/slices.py": "from torch2keras.declarations.registry import lowering\n",
            "ops/blocks/__init__.py": "",
        },
        {},
    ),
    "a block registers": (
        floors.check_blocks,
        {
            "ops/blocks/pads.py": "import torch\nfrom torch2keras.extend import lowering, ops\n",
            "ops/nn/conv.py": "from torch2keras.extend import lowering, ops\n",
        },
        {"ops/blocks/pads.py:2": "a block registers nothing: lowering"},
    ),
    "two meanings": (
        floors.check_meanings,
        {
            "graph/ir.py": "x = 1\ndef along(): ...\n",
            "lower/lower.py": "class Graph:\n    def along(): ...\ndef _own(): ...\n",
            "ops/nn/conv.py": "\n\ndef along(): ...\n",
            "ops/nn/pad.py": "@lowering(op)\ndef along(): ...\ndef _own(): ...\n",
        },
        {
            "graph/ir.py:2": f"along is also in {PACKAGE}/ops/nn/conv.py:3",
            "ops/nn/conv.py:3": f"along is also in {PACKAGE}/graph/ir.py:2",
        },
    ),
    "two definitions in one module": (
        floors.check_meanings,
        {"graph/ir.py": "@overload\ndef get(x: int): ...\ndef get(x): ...\n"},
        {},
    ),
    "a module that hides a function": (
        floors.check_shadows,
        {"convert.py": "", "lowering/lower.py": "", "lower/explain.py": "", "reader.py": ""},
        {
            "convert.py:1": "hides torch2keras.convert",
            "lowering/lower.py:1": "torch2keras.lowering",
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_violation_is_named_at_its_line(tmp_path: Path, case: str) -> None:
    check, files, expected = CASES[case]
    found = sorted(check(write(tmp_path, files)))
    assert [f"{one.path.as_posix()}:{one.line}" for one in found] == [
        f"{PACKAGE}/{place}" for place in expected
    ]
    for violation, message in zip(found, expected.values(), strict=True):
        assert message in violation.message


def test_a_place_without_a_room_is_named(tmp_path: Path) -> None:
    write(tmp_path, {})
    (tmp_path / PACKAGE / "extend.py").unlink()
    (found,) = floors.check_rooms(floors.read_package(tmp_path))
    assert str(found) == f"{PACKAGE}/extend.py:1: stands in tools/floors.py and is not there"
