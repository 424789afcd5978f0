"""The comparison of converters: its child process, its picture."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import torch2keras

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
    row = benchmarks("compare").measure_row("torch2keras", sys.executable, "Conv1d", 0.01, 300)
    assert (row["status"], row["other_batch"], row["transposes"]) == ("ok", True, 0), row
    assert row["error"] < 1e-5
    assert min(row["convert_s"], row["peak_mib"], row["latency"]) > 0


def test_what_fails_is_a_result(benchmarks: Any) -> None:
    compare = benchmarks("compare")
    assert (
        compare.measure_row("torch2keras", sys.executable, "no such net", 0.01, 300)["said"]
        == "KeyError: 'no such net'"
    )
    assert (
        compare.measure_row("torch2keras", sys.executable, "Conv1d", 0.01, 0.01)["status"]
        == "timeout"
    )


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


def test_the_growth_of_a_conversion_is_measured_and_drawn(
    benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaling = benchmarks("scaling")
    monkeypatch.setattr(scaling, "LAYERS", 1)
    monkeypatch.setattr(scaling, "FEATURES", 3)
    rows = scaling.measure_all([1, 2], [5])
    assert [row["ops"] for row in rows] == [5, 10, 5]
    assert [row["parameters"] for row in rows] == [48, 96, 120]
    assert rows[0]["ratio"] == rows[2]["ratio"] == 1
    assert all(0 < row["stages"]["verify"] < row["seconds"] for row in rows)
    scaling.draw(rows, tmp_path / "scaling.png")
    if importlib.util.find_spec("matplotlib") is not None:
        assert (tmp_path / "scaling.png").read_bytes()[:4] == b"\x89PNG"


def test_a_net_is_deployed_by_each_route(benchmarks: Any, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    deploy = benchmarks("deploy")
    rows = deploy.measure_rows("conv1d s2 d2", 0.02, 300, tmp_path, {"onnx2tf": sys.executable})
    ours, stock, theirs = rows
    assert (ours["status"], stock["status"]) == ("ok", "ok"), rows
    assert ours["operators"] < stock["operators"]
    assert min(ours["latency"], ours["kib"]) > 0
    if importlib.util.find_spec("onnx2tf") is None:
        assert theirs["status"] == "error"
        assert "No module named 'onnx2tf'" in theirs["said"]
        said = {"said": "it was asked once"}
        (tmp_path / "onnx2tf.json").write_text(json.dumps(said))
        again = deploy.measure_rows(
            "conv1d s2 d2", 0.02, 300, tmp_path, {"onnx2tf": sys.executable}
        )
        assert again[2]["said"] == "RuntimeError: it was asked once"


def test_rivals_have_interpreters_of_their_own(benchmarks: Any) -> None:
    deploy = benchmarks("deploy")
    assert deploy.find_rivals(["onnx2tf=/a/python"])["onnx2tf"] == "/a/python"
    for pair in ("onnx2tf", "other=/a/python"):
        with pytest.raises(ValueError, match="--rival takes TOOL=PYTHON"):
            deploy.find_rivals([pair])


def test_what_a_rival_does_better_is_listed(benchmarks: Any) -> None:
    deploy = benchmarks("deploy")
    good = {"net": "tcn", "status": "ok", "operators": 5, "transposes": 0, "latency": 1.0}
    ours = {**good, "tool": "torch2keras"}
    theirs = {**good, "tool": "onnx2tf", "operators": 4, "latency": 0.99}
    assert list(deploy.list_lost([ours, theirs])) == ["tcn: operators 5, onnx2tf 4"]
    assert list(deploy.list_lost([ours, {**theirs, "status": "wrong"}])) == []
    failed = {"net": "tcn", "tool": "torch2keras", "status": "error", "said": "no"}
    assert list(deploy.list_lost([failed, theirs])) == ["tcn: error no"]


def test_a_file_in_another_order_is_read_by_its_numbers(benchmarks: Any, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    one = benchmarks("deploy_one")
    net = nn.Conv1d(3, 5, 3).eval()
    x = torch.randn(1, 3, 9)
    file = tmp_path / "net.tflite"
    torch2keras.convert(net, torch.randn(2, 3, 9), verify=False).export(file)
    expected = one.run_net(net, (x,))
    found = one.TransposedFile(file, (x,), expected)
    assert tuple(found.orders[0]) == (0, 2, 1)
    found.run(found.store((x,)))
    assert one.compare_outputs(found.read(), expected) < 1e-5
    assert one.compare_outputs([expected[0][:, 1:]], expected) == float("inf")


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
