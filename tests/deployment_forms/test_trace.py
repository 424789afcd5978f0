"""A trace computes what hangs on shapes and weights alone, and makes each layer once."""

from __future__ import annotations

import pytest
import tensorflow as tf
import torch
from torch import Tensor, nn

import torch2keras
from deployed import deploy
from torch2keras.deployment_forms.trace import Trace
from torch2keras.errors import LoweringError


class Positions(nn.Module):
    """Numbers that depend on the shape alone, and a parameter that is read as a value."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(50, 6))

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        return x + self.table[places] * torch.cos(places.float()).unsqueeze(1)


class Twice(nn.Module):
    """One layer that is called twice."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.tanh(self.layer(x)))


def test_what_hangs_on_no_input_is_computed() -> None:
    found = deploy(Positions(), torch.randn(2, 23, 6)).operators
    assert dict(found) == {"ADD": 1}


def make_trace(layer: nn.Module, *shape: int) -> Trace:
    """Return the trace of a layer that is called twice, run twice."""
    converted = torch2keras.convert(Twice(layer), (torch.randn(2, *shape),), verify=False)
    trace = Trace(converted.conversion.lowered.graph)
    for _ in range(2):
        trace.run([tf.ones((1, *shape))])
    return trace


def test_layer_is_made_once() -> None:
    trace = make_trace(nn.ConvTranspose2d(6, 6, 3), 6, 6, 6)
    assert sum(len(layer.variables) for layer in trace.layers.made.values()) == 2


def test_weights_that_rules_read_are_held_once() -> None:
    trace = make_trace(nn.Linear(6, 6), 5, 6)
    assert [sorted(held) for held in trace.held.values()] == [["bias", "kernel"]]
    assert not any(layer.variables for layer in trace.layers.made.values())


def test_error_names_the_call_and_its_place() -> None:
    converted = torch2keras.convert(Twice(nn.Linear(6, 6)), (torch.randn(2, 5, 6),), verify=False)
    trace = Trace(converted.conversion.lowered.graph)
    with pytest.raises(LoweringError, match=r"keras\.layers\.Dense has no form for deployment"):
        trace.run([tf.ones((1, 5, 7))])
