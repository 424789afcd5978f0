"""The report: facts of a conversion, as text and as data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2keras as t2k
from exported import assert_golden


class Block(nn.Module):
    """Pads unevenly, normalises, and adds."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm1d(channels)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.norm(self.conv(x))) + x


class Net(nn.Module):
    """Two blocks and a head that reads (n, l, c)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv1d(3, 7, 5, stride=2, padding=2)
        self.blocks = nn.Sequential(Block(7), Block(7))
        self.flat = nn.Flatten(0, 1)
        self.head = nn.Linear(7, 5)

    def forward(self, x):
        y = self.blocks(self.stem(x)).transpose(1, 2)
        return self.head(self.flat(y))


@pytest.fixture(scope="module")
def converted():
    torch.manual_seed(0)
    return t2k.convert(Net().eval(), (torch.randn(2, 3, 21),))


def test_rows_name_each_module_once_with_its_layers(converted):
    rows = {row.path: row for row in converted.report.rows}
    assert len(rows) == len(converted.report.rows)
    assert [(c.kind, c.name) for c in rows["stem"].keras] == [
        ("ZeroPadding1D", "stem_zero_padding1d"),
        ("Conv1D", "stem"),
    ]
    assert [c.kind for c in rows["blocks.1.norm"].keras] == ["BatchNormalization"]
    assert rows["blocks.0"].cls == "Block"
    assert "test_report.py:" in rows["blocks.0"].source
    named = {c.name for row in rows.values() for c in row.keras if c.name}
    assert named == {
        layer.name for layer in converted.model.layers if type(layer).__name__ != "InputLayer"
    }


def test_layer_names_of_the_report_are_those_of_the_model(converted):
    for row in converted.report.rows:
        for call in row.keras:
            assert not call.name or converted.layers[call.name].name == call.name


def test_the_verification_is_told(converted):
    verified = converted.report.verified
    assert [t.tier for t in verified.tiers] == ["S", "N"]
    assert all(0 <= t.share <= 1 for t in verified.tiers)
    assert {probe for probe, _ in verified.probes} == {"normal", "another size, one row wide"}
    assert ("normal", ((2, 3, 21),)) in verified.probes


def test_without_verification_the_report_says_so():
    report = t2k.convert(nn.Linear(3, 5), (torch.randn(2, 3),), verify=False).report
    assert report.verified is None
    assert "not verified" in str(report)


def test_each_stage_has_its_seconds(converted):
    timings = converted.report.timings
    assert list(timings) == ["capture", "import", "layout", "lower", "build", "verify"]
    assert all(seconds > 0 for seconds in timings.values())
    assert converted.report.as_dict()["timings"] == timings
    memory = converted.report.memory
    assert list(memory) == ["before", *timings]
    assert 0 < memory["before"] <= min(memory.values()) <= max(memory.values()) == memory["verify"]
    assert "<p>Converted in " in converted.report.to_html()
    assert "verify" not in t2k.convert(nn.ReLU(), torch.ones(2), verify=False).report.timings


def test_json_holds_the_same_as_the_dict(converted):
    report = converted.report
    assert json.loads(report.to_json()) == json.loads(json.dumps(report.as_dict()))
    assert report.as_dict()["inputs"][0]["order"] == "n l c"
    assert report.as_dict()["rows"][0]["path"] == "stem"


def test_the_page_is_at_most_80_columns_wide_and_the_full_one_100(converted):
    assert max(map(len, str(converted.report).splitlines())) <= 80
    full = converted.report.full_text()
    assert max(map(len, full.splitlines())) <= 100
    assert "test_report.py:" in full


def test_text(converted, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)
    text = "\n".join(
        line for line in str(converted.report).splitlines() if "worst error" not in line
    )
    assert_golden("cli_report", text)
