"""Files for Model Explorer: each call once, in its module, with the errors that were measured."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.errors import InputError, OutputError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(3, 5, 3), nn.Tanh())
        self.body.add_module("a/b\x1b[2J", nn.Conv1d(5, 5, 1))

    def forward(self, x):
        y = self.body(x)
        return y.softmax(1) + y, y


@pytest.fixture(scope="module")
def converted():
    return t2k.convert(Net().eval(), torch.randn(2, 3, 11))


@pytest.fixture
def files(converted, tmp_path):
    saved = converted.report.save_explorer(tmp_path / "explorer")
    assert [path.name for path in saved] == [
        "graph.json",
        "errors_float64.json",
        "errors_as_saved.json",
    ]
    return [json.loads(path.read_text(encoding="utf-8")) for path in saved]


def test_the_graph_has_every_call_in_its_module(converted, files):
    (graph,) = files[0]["graphs"]
    nodes = {node["id"]: node for node in graph["nodes"]}
    calls = converted.conversion.lowered.graph.calls
    assert len(nodes) == len(calls) + 3
    labels = [node["label"] for node in graph["nodes"]]
    assert (labels[0], labels[-2:]) == ("Input", ["Output", "Output"])
    assert labels.count("Conv1D") == 2
    groups = [node["namespace"] for node in graph["nodes"]]
    assert {"body/0", "body/a_b\\x1b[2J"} <= set(groups)
    for place, node in enumerate(graph["nodes"]):
        assert bool(node["incomingEdges"]) == (node["label"] != "Input")
        for edge in node["incomingEdges"]:
            assert edge["sourceNodeId"] in list(nodes)[:place]


def test_errors_are_those_that_were_measured(converted, files):
    measured = converted.report.evidence.measure()
    assert measured
    (graph,) = files[0]["graphs"]
    ids = {node["id"] for node in graph["nodes"]}
    for data, tier in zip(files[1:], ("meaning", "numerics"), strict=True):
        found = data[graph["id"]]
        assert found["results"].keys() <= ids
        assert len(found["results"]) >= 4
        worst = max(getattr(errors, tier).share_of_bound for errors in measured)
        assert max(result["value"] for result in found["results"].values()) == worst
        assert [stop["stop"] for stop in found["gradient"]] == [0, 1]
    assert worst > 0


def test_what_cannot_be_written_is_said(converted, tmp_path):
    report = dataclasses.replace(converted.report, evidence=None)
    with pytest.raises(InputError, match="without its conversion"):
        report.save_explorer(tmp_path / "explorer")
    with pytest.raises(OutputError):
        converted.report.save_explorer(tmp_path / "none" / "explorer")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is no folder"):
        converted.report.save_explorer(tmp_path / "file")
