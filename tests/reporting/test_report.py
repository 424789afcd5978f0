"""The report: facts of a conversion, as text and as data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

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


class Tied(nn.Module):
    """One weight twice, one that nobody uses, one that is frozen."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.idle = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 2)
        self.second.weight = self.first.weight
        self.second.bias.requires_grad_(False)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


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


def test_parameters_are_counted_on_both_sides(converted):
    counts, module = converted.report.parameters, converted.conversion.module
    assert (
        counts.torch_trainable
        == sum(p.numel() for p in module.parameters())
        == counts.keras_trainable
    )
    assert counts.torch_frozen == 0
    assert counts.keras_frozen == 2 * 2 * 7  # the running mean and variance of two normalisations
    assert counts.unused == ()


def test_no_transpose_is_left(converted):
    assert converted.report.transposes == ()


def test_a_transpose_is_named_with_its_orders_and_readers():
    report = t2k.convert(
        nn.Conv1d(3, 5, 3), (torch.randn(2, 3, 11),), layout="torch", verify=False
    ).report
    assert {(t.written, t.read) for t in report.transposes} == {
        ("n c l", "n l c"),
        ("n l c", "n c l"),
    }
    assert {reader for t in report.transposes for reader in t.readers} == {
        "conv1d in Conv1d",
        "the output output",
    }


def test_the_verification_is_told(converted):
    verified = converted.report.verified
    assert [t.tier for t in verified.tiers] == ["S", "N"]
    assert all(0 <= t.share <= 1 for t in verified.tiers)
    assert {probe for probe, _ in verified.probes} == {"normal", "wide", "another size"}
    assert ("normal", ((2, 3, 21),)) in verified.probes


def test_without_verification_the_report_says_so():
    report = t2k.convert(nn.Linear(3, 5), (torch.randn(2, 3),), verify=False).report
    assert report.verified is None
    assert "not verified" in str(report)


def test_batch_normalization_has_a_note_on_further_training(converted):
    (note,) = [n for n in converted.report.notes if "variance" in n]
    assert "blocks_0_norm" in note
    assert "n/(n-1)" in note


# a batch normalization -> how the note on its further training goes on
FURTHER = {
    "frozen": (
        nn.BatchNorm1d(3).requires_grad_(False),
        "The parameters of 0 are frozen, so these layers are",
    ),
    "cumulative": (
        nn.BatchNorm1d(3, momentum=None),
        "The running statistics of 0 stay as they are in Keras",
    ),
}


@pytest.mark.parametrize("name", FURTHER)
def test_further_training_that_differs_is_noted(name):
    norm, start = FURTHER[name]
    notes = t2k.convert(nn.Sequential(norm).eval(), (torch.randn(2, 3),)).report.notes
    (note,) = notes
    assert note.startswith(start)


def test_tied_frozen_and_unused_parameters():
    report = t2k.convert(Tied().eval(), (torch.randn(2, 5),)).report
    counts = report.parameters
    assert counts.tied == (("first.weight", "second.weight"),)
    assert counts.unused == ("idle.weight", "idle.bias")
    assert counts.torch_frozen == 5
    assert any("idle.weight" in note for note in report.notes)


def test_folded_weights_name_what_they_are_computed_from():
    report = t2k.convert(
        nn.Sequential(weight_norm(nn.Conv1d(3, 5, 3))).eval(), (torch.randn(2, 3, 11),)
    ).report
    (names,) = report.parameters.folded.values()
    assert set(names) == {
        "0.parametrizations.weight.original0",
        "0.parametrizations.weight.original1",
    }
    assert report.parameters.unused == ()


class Overlapping(nn.Module):
    """A parameter whose middle element is read twice."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(5))

    def forward(self, x):
        return x * self.scale[:3] + self.scale[2:]


def test_a_parameter_that_keras_holds_in_parts_that_overlap_is_named():
    notes = t2k.convert(Overlapping().eval(), (torch.randn(2, 3),)).report.notes
    assert [n for n in notes if n.startswith("scale is held in 2 Keras weights")]


def test_the_notes_of_the_capture_are_there():
    report = t2k.convert(nn.Linear(3, 5).train(), (torch.randn(2, 3),), verify=False).report
    assert any("train mode" in note for note in report.notes)


def test_json_holds_the_same_as_the_dict(converted):
    report = converted.report
    assert json.loads(report.to_json()) == json.loads(json.dumps(report.as_dict()))
    assert report.as_dict()["inputs"][0]["order"] == "n l c"
    assert report.as_dict()["rows"][0]["path"] == "stem"


def test_the_page_is_at_most_100_columns_wide(converted):
    assert max(map(len, str(converted.report).splitlines())) <= 100


def test_text(converted, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)
    text = "\n".join(
        line for line in str(converted.report).splitlines() if "worst error" not in line
    )
    assert_golden("cli_report", text)
