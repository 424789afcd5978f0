"""What a saved model says of itself."""

from __future__ import annotations

import json

import torch
from torch import nn

import torch2keras as t2k
from torch2keras.reporting.manifest import describe_model


def test_versions_ports_and_errors() -> None:
    converted = t2k.convert(nn.Conv1d(3, 5, 3), (torch.randn(2, 3, 11),), verify=False)
    facts = describe_model(converted.conversion, None)
    assert facts["verification"] is None
    assert torch.__version__.startswith(facts["versions"]["torch"])
    assert facts["module"] == "torch.nn.modules.conv.Conv1d"
    assert [port["name"] for port in facts["inputs"]] == ["input"]
    facts = describe_model(converted.conversion, converted.verify())
    assert facts["verification"]["ok"]
    assert set(facts["verification"]["worst"]) == {"S", "N"}
    assert json.loads(json.dumps(facts))["limits"] == []
