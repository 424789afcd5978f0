"""A convolution and the normalization that alone reads it become one call."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import torch2keras
from torch2keras.deployment_forms.deployment_graph import lower_for_deployment
from torch2keras.keras_graph.graph import Call


class Between(nn.Module):
    """A convolution, something or nothing, and a normalization."""

    def __init__(self, between: nn.Module, *, twice: bool = False) -> None:
        super().__init__()
        self.conv, self.norm, self.between = nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), between
        self.twice = twice

    def forward(self, x: Tensor) -> Tensor:
        y = self.between(self.conv(x))
        return self.norm(y) + y if self.twice else self.norm(y)


def list_calls(module: nn.Module) -> list[Call]:
    """Return the calls of a module's deployment graph."""
    converted = torch2keras.convert(module.eval(), torch.randn(2, 3, 9), verify=False)
    return [*lower_for_deployment(converted.conversion).graph.calls]


def test_both_are_one_call_of_both_modules() -> None:
    (call,) = list_calls(Between(nn.Identity()))
    assert call.target == "forms.Conv1D"
    assert call.kwargs["modules"] == ("conv", "norm")
    assert {"kernel", "bias", "normalization.gamma"} <= set(call.weights)


def test_normalization_of_what_is_read_twice_stays() -> None:
    calls = list_calls(Between(nn.Identity(), twice=True))
    assert [call.target for call in calls][:2] == ["layers.Conv1D", "layers.BatchNormalization"]


def test_normalization_behind_another_op_stays() -> None:
    targets = [call.target for call in list_calls(Between(nn.ReLU()))]
    assert "layers.Conv1D" in targets
    assert "layers.BatchNormalization" in targets


class Normalized(nn.Module):
    """A normalization, a layer, and perhaps something else that reads the normalization."""

    def __init__(self, *, twice: bool) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(9), nn.Linear(9, 9)
        self.twice = twice

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return self.linear(y) + y if self.twice else self.linear(y)


def test_dense_layer_takes_the_weights_of_a_normalization() -> None:
    norm, dense = [
        c for c in list_calls(Normalized(twice=False)) if c.weights or "Norm" in c.target
    ]
    assert not norm.weights
    assert not norm.config["scale"]
    assert {"normalization.gamma", "normalization.beta"} <= set(dense.weights)


def test_normalization_that_is_read_twice_keeps_its_weights() -> None:
    norm, dense = [c for c in list_calls(Normalized(twice=True)) if c.weights]
    assert set(norm.weights) == {"gamma", "beta"}
    assert set(dense.weights) == {"kernel", "bias"}
