"""Rates that the mode tells are read off the calls, and set in the graph without another export."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from torch2keras.capture import export
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.training.told_rates import place_told_rates
from torch2keras.capture.training.training_survey import survey_training
from training_only import Attention, Inline


class Told(nn.Module):
    def __init__(self, rates=(0.25,)):
        super().__init__()
        self.linear, self.rates = nn.Linear(7, 7), rates

    def forward(self, x):
        for rate in self.rates:
            x = F.dropout(self.linear(x), p=rate if self.training else 0.0, training=self.training)
        return x


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.attention = Told(), Told((0.5,)), Attention()

    def forward(self, x):
        return self.attention(self.two(self.one(x)))


X = torch.randn(3, 5, 7)

CASES = {
    "dropout": (Told, [0.25]),
    "twice": (lambda: Told((0.25, 0.25)), [0.25, 0.25]),
    "other rates in one module": (lambda: Told((0.25, 0.5)), []),
    "attention": (Attention, [0.25]),
    "nested": (Nested, [0.25, 0.5, 0.25]),
    "more than rates": (Inline, []),
    "dropout that knows of training": (lambda: nn.Sequential(nn.Dropout()), []),
}


@pytest.mark.parametrize("name", CASES)
def test_rates_are_found_and_placed(name):
    make, rates = CASES[name]
    net = make().eval()
    facts = survey_training(bind_example(net, (X,), {}))
    assert sum(count for _, count in facts.rates.values()) == len(rates)
    graph = torch.export.export(net, (X,)).graph
    found = place_told_rates(graph, facts.rates)
    assert found is not None
    assert list(found.rates.values()) == rates


def test_a_module_with_other_ops_is_not_placed():
    facts = survey_training(bind_example(Told().eval(), (X,), {}))
    graph = torch.export.export(nn.Linear(7, 7), (X,)).graph
    assert place_told_rates(graph, facts.rates) is None


def test_the_module_is_exported_once():
    with patch.object(export, "export_once", wraps=export.export_once) as exporting:
        captured = export.capture(Nested().eval(), (X,))
    assert exporting.call_count == 1
    assert not [note for note in captured.notes if "than in eval mode" in note]
