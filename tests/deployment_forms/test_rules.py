"""The table of rules has one for a target, and reads weights and sizes of a layer's call."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras
from torch2keras.deployment_forms.rules import RULES, one_size, rule, weight_tensor


def test_second_rule_for_a_target_is_refused() -> None:
    rule("layers.NoSuchLayer")(len)
    try:
        with pytest.raises(ValueError, match=r"layers\.NoSuchLayer has a rule already: len"):
            rule("layers.NoSuchLayer")(repr)
    finally:
        del RULES["layers.NoSuchLayer"]


def test_weight_of_a_layer_is_a_tensor() -> None:
    layer = nn.Conv1d(3, 4, 5, bias=False)
    converted = torch2keras.convert(layer, (torch.randn(2, 3, 9),), verify=False)
    (call,) = converted.conversion.lowered.graph.calls
    assert weight_tensor(call, "kernel").shape == (5, 3, 4)
    assert weight_tensor(call, "bias") is None


def test_size_is_that_of_the_sequence() -> None:
    assert [one_size(3), one_size((3,)), one_size([3])] == [3, 3, 3]
