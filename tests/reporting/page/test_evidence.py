"""What the page shows of the conversion itself."""

from __future__ import annotations

import torch
from torch import nn

import torch2keras as t2k


def test_values_are_measured_where_the_model_was_verified() -> None:
    module, x = nn.Conv1d(3, 5, 3).eval(), torch.randn(2, 3, 11)
    evidence = t2k.convert(module, x).report.evidence
    (found,) = evidence.measure()
    assert found.meaning.ok
    assert found.numerics.ok
    assert evidence.describe()["module"] == "torch.nn.modules.conv.Conv1d"
    assert "def build(" in evidence.write_code()
    assert t2k.convert(module, x, verify=False).report.evidence.measure() == []
