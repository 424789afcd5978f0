"""A failed check names the first value that diverges, with its op and line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.errors import VerificationError
from torch2keras.keras_model.layers import Layers
from torch2keras.verification.divergence import divergence_error, first_divergence
from torch2keras.verification.metric import meaning
from torch2keras.verification.results import Check

X = torch.linspace(-2.0, 2.0, 2 * 3 * 11).reshape(2, 3, 11)


class Net(nn.Module):
    """Three ops in a row."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(3, 5, 2)
        self.second = nn.Conv1d(5, 2, 3)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


@pytest.fixture(scope="module")
def conversion():
    torch.manual_seed(0)
    return t2k.convert(Net().eval(), X, verify=False).conversion


def with_sigmoid_for_tanh(conversion):
    """The record of a conversion that took one activation for another."""
    graph = conversion.lowered.graph
    calls = []
    for call in graph.calls:
        is_tanh = call.config.get("activation") == "tanh"
        config = {**call.config, "activation": "sigmoid"} if is_tanh else call.config
        calls.append(replace(call, config=config))
    wrong = replace(conversion.lowered, graph=replace(graph, calls=tuple(calls)))
    return replace(conversion, lowered=wrong)


def layers(conversion) -> Layers:
    return Layers(conversion.lowered.graph, "float64", in_turn=True)


def test_a_right_conversion_diverges_nowhere(conversion) -> None:
    assert first_divergence(conversion, layers(conversion), [X]) is None


def test_the_first_wrong_value_is_named(conversion) -> None:
    wrong = with_sigmoid_for_tanh(conversion)
    found = first_divergence(wrong, layers(wrong), [X])
    assert found is not None
    node, value, difference = found
    assert node.op is torch.ops.aten.tanh.default
    assert value is node.outputs[0]
    assert not difference.ok


def test_the_error_says_where(conversion) -> None:
    wrong = with_sigmoid_for_tanh(conversion)
    check = Check("normal", ((2, 3, 11),), "output", meaning(np.ones(3), np.zeros(3)))
    error = divergence_error(wrong, layers(wrong), check, [X])
    assert isinstance(error, VerificationError)
    rows = dict(error.rows)
    assert rows["op"] == "aten.tanh.default"
    assert "self.second(torch.tanh(self.first(x)))" in rows["source"]
    assert "[2, 3, 11]" in rows["probe"]
    assert "verify=False" in rows["next"]
