"""The folded table: nothing is lost but numbers, and few lines are left."""

from __future__ import annotations

import random

import pytest

from torch2keras.reporting.facts import KerasCall, ModuleRow
from torch2keras.reporting.folding import MOST_LINES, FoldedRow, fold_rows


def row(path: str, *kinds: str, cls: str = "M") -> ModuleRow:
    calls = tuple(KerasCall(kind, "" if kind.startswith("ops.") else path) for kind in kinds)
    return ModuleRow(path, cls, f"net.py:{len(path)}", calls)


def block(number: int, *more: ModuleRow) -> list[ModuleRow]:
    path = f"encoder.layer.{number}"
    parts = [row(f"{path}.{name}", "Dense") for name in ("query", "key", "value")]
    return [row(f"{path}.norm", "LayerNormalization"), *parts, row(path, "ops.add"), *more]


def paths(folded: list[FoldedRow]) -> list[str]:
    return [found.row.path for found in folded]


def test_few_rows_stay() -> None:
    rows = block(0) + block(1)
    assert [found.row for found in fold_rows(rows)] == rows


def test_blocks_that_are_alike_are_one() -> None:
    rows = [row("stem", "Conv2D"), *(r for n in range(12) for r in block(n)), row("head", "Dense")]
    folded = fold_rows(rows)
    assert paths(folded) == [
        "stem",
        "encoder.layer.0-11",
        "encoder.layer.0-11.norm",
        "encoder.layer.0-11.query",
        "encoder.layer.0-11.key",
        "encoder.layer.0-11.value",
        "head",
    ]
    assert [found.times for found in folded] == [1, *[12] * 5, 1]


def test_a_block_that_differs_stands_alone() -> None:
    rows = [r for n in range(8) for r in block(n)]
    rows += block(8, row("encoder.layer.8.extra", "Dropout")) + block(9)
    assert {path.split(".")[2] for path in paths(fold_rows(rows))} == {"0-7", "8", "9"}


@pytest.mark.parametrize("names", [["1", "3"], ["a", "b"], ["a1", "b2"], ["x", "2"], ["2", "1"]])
def test_only_neighbours_by_number_are_one(names: list[str]) -> None:
    rows = [row(f"{name}.{part}", "Dense") for name in names for part in "abcdefghijkl"]
    assert paths(fold_rows([*rows, row("last", "Dense")]))[0].startswith(names[0])
    assert not [path for path in paths(fold_rows([*rows, row("last")])) if "-" in path]


def test_blocks_within_blocks() -> None:
    rows = [
        row(f"stage.{stage}.block{number}.conv", "Conv2D")
        for stage in range(3)
        for number in range(1, 10)
    ]
    (found,) = fold_rows(rows)
    assert (found.row.path, found.times) == ("stage.0-2.block1-9.conv", 27)


def test_what_is_still_long_is_summed_up() -> None:
    rows = []
    for number in range(20):  # each of another class, so that none are alike
        path = f"blocks.{number}"
        rows += [row(f"{path}.{i}", "Conv2D", cls=f"C{number}") for i in range(number % 3 + 1)]
        rows += [row(f"{path}.act", "ReLU", "ops.add"), row(path, "ops.add", cls="Block")]
    folded = fold_rows(rows)
    assert len(folded) == 20
    assert folded[2].row.path == "blocks.2"
    assert folded[2].row.cls == "Block"
    assert folded[2].within == 5
    assert [call.kind for call in folded[2].row.keras] == ["3 Conv2D", "ReLU", "2 ops"]


@pytest.mark.parametrize("seed", range(20))
def test_every_module_is_in_one_line(seed: int) -> None:
    generator = random.Random(seed)
    seen = {
        ".".join(generator.choice("ab012") for _ in range(generator.randint(1, 4)))
        for _ in range(generator.randint(30, 90))
    }
    rows = [row(path, generator.choice(["Dense", "ops.add"])) for path in sorted(seen)]
    folded = fold_rows(rows)
    assert sum(found.times * max(found.within, 1) for found in folded) == len(rows)
    assert len(folded) <= max(MOST_LINES, len({path.split(".")[0] for path in seen}))
