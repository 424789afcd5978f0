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
