"""The comparison of converters: its child process, its picture."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import nn

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports the scripts, which lie in no package."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    known = set(sys.modules)

    def named(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield named
    for name in set(sys.modules) - known:
        if (
            getattr(sys.modules[name], "__file__", None)
            and Path(str(sys.modules[name].__file__)).parent == FOLDER
        ):
            del sys.modules[name]


def test_a_child_measures_one_net(benchmarks: Any) -> None:
    row = benchmarks("compare").measure_row("torch2keras", "Conv1d", 0.01, 300)
    assert (row["status"], row["other_batch"], row["transposes"]) == ("ok", True, 0), row
    assert row["error"] < 1e-5
    assert min(row["convert_s"], row["peak_mib"], row["latency"]) > 0


def test_what_fails_is_a_result(benchmarks: Any) -> None:
    compare = benchmarks("compare")
    assert (
        compare.measure_row("torch2keras", "no such net", 0.01, 300)["said"]
        == "KeyError: 'no such net'"
    )
    assert compare.measure_row("torch2keras", "Conv1d", 0.01, 0.01)["status"] == "timeout"


def test_the_table_and_the_picture_hold_every_row(benchmarks: Any, tmp_path: Path) -> None:
    compare, drawing = benchmarks("compare"), benchmarks("drawing")
    good = {
        "status": "ok",
        "other_batch": False,
        "transposes": 3,
        "convert_s": 1.5,
        "peak_mib": 700.0,
        "latency": 0.5,
    }
    rows = [
        {"net": "a", "tool": "x", **good},
        {"net": "a", "tool": "y", "status": "error", "said": "no"},
    ]
    assert compare.table(rows, {"x": "1.0", "y": "2.0"}).row_count == 2
    titles = dict(zip(compare.COLUMNS, compare.TITLES, strict=True))
    picture = drawing.draw(rows, ["x", "y"], titles, tmp_path / "results.png")
    assert picture.stat().st_size > 10_000


def test_only_what_is_installed_is_compared(benchmarks: Any) -> None:
    tools = benchmarks("tools")
    assert "torch2keras" in tools.find_installed()
    assert set(tools.find_installed()) <= set(tools.TOOLS)
    assert set(benchmarks("by_hand").TWINS) <= set(benchmarks("nets").NETS)


def test_the_measure_costs_a_net_by_module(benchmarks: Any) -> None:
    by_op, nets = benchmarks("by_op"), benchmarks("nets")

    def two() -> nn.Module:
        return nn.Sequential(nn.Conv1d(3, 5, 7, padding=3, padding_mode="reflect"), nn.ReLU())

    costs = by_op.measure_costs(nets.Net(two, (2, 3, 1999)), 0.01)
    assert {path: cost.ops for path, cost in costs.items()} == {
        "0": ["pad", "conv1d"],
        "1": ["relu"],
    }
    assert {path: cost.calls[-1] for path, cost in costs.items()} == {"0": "Conv1D", "1": "ReLU"}
    assert all(cost.torch > 0 for cost in costs.values())
    assert by_op.table("two", costs, 1).row_count == 1


def test_a_net_is_deployed_by_each_route(benchmarks: Any) -> None:
    pytest.importorskip("ai_edge_litert")
    deploy = benchmarks("deploy")
    rows = deploy.measure_rows("conv1d s2 d2", 0.02, 300)
    assert {row["status"] for row in rows} == {"ok"}, rows
    ours, stock = rows[0], rows[1]
    assert ours["operators"] < stock["operators"]
    assert min(ours["latency"], ours["kib"]) > 0


def test_the_table_of_deployment_stands_between_its_markers(
    benchmarks: Any, tmp_path: Path
) -> None:
    deploy = benchmarks("deploy")
    good = {
        "net": "tcn",
        "tool": "torch2keras",
        "status": "ok",
        "operators": 32,
        "transposes": 0,
        "partitions": 1,
        "kib": 589,
        "latency": 0.5,
    }
    bad = {"net": "tcn", "tool": "other", "status": "error"}
    page = tmp_path / "page.md"
    page.write_text(f"head\n{deploy.BEGIN}\nold\n{deploy.END}\nfoot\n")
    deploy.put_in_page(deploy.write_table([good, bad]), page)
    lines = page.read_text().splitlines()
    assert "| tcn | 32 / 0 / 1 / 589 / 0.50 | X |" in lines
    assert "| right, latency (geometric mean) | 1 of 1, 0.50 | 0 of 1 |" in lines
    assert (lines[0], lines[-1]) == ("head", "foot")
    assert "old" not in lines
    page.write_text("no markers")
    with pytest.raises(ValueError, match="has no markers"):
        deploy.put_in_page("", page)
