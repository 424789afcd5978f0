"""Passes over the Keras graph: strides join dilated convolutions, padding of maxima is bounded."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import torch2keras
from deployed import deploy
from torch2keras.deployment_forms.deployment_graph import lower_for_deployment
from torch2keras.deployment_forms.passes.graph_passes import find_strides
from torch2keras.keras_graph.graph import Call


class Padded(nn.Module):
    """A pooling of maxima behind padding of its own, and of what is or is not below zero."""

    def __init__(self, activation: str, width: int = 1) -> None:
        super().__init__()
        self.activation, self.width = activation, width

    def forward(self, x: Tensor) -> Tensor:
        y = getattr(torch, self.activation)(x)
        y = functional.pad(y, [self.width] * 4, value=-math.inf)
        return functional.max_pool2d(y, 3, 2)


def list_calls(module: nn.Module, *example: Tensor) -> list[Call]:
    """Return the calls of a module's deployment graph."""
    converted = torch2keras.convert(module, example, verify=False)
    return [*lower_for_deployment(converted.conversion).graph.calls]


@pytest.mark.parametrize("size", [16, 23])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("rank", [1, 2])
def test_stride_with_dilation_is_one_convolution(rank: int, groups: int, size: int) -> None:
    torch.manual_seed(0)
    layer = getattr(nn, f"Conv{rank}d")(4, 6, 3, stride=2, dilation=3, padding=2, groups=groups)
    found = deploy(layer, torch.randn(2, 4, *[size] * rank)).operators
    assert set(found) <= {"RESHAPE", "PAD", "CONV_2D", "TRANSPOSE"}
    assert found["CONV_2D"] == 1


def test_groups_stay_one_convolution() -> None:
    torch.manual_seed(0)
    found = deploy(nn.Conv1d(4, 6, 3, groups=2), torch.randn(1, 4, 400)).operators
    assert found["CONV_2D"] == 1


def test_uneven_strides_keep_their_dimensions() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 6, 3, stride=(1, 3), dilation=(2, 1))
    assert deploy(layer, torch.randn(2, 4, 13, 17)).operators["CONV_2D"] == 1


@pytest.mark.parametrize(
    ("index", "steps"),
    [
        ((slice(None), slice(None, None, 2)), (2,)),
        ((slice(None), slice(None, None, 2), slice(None)), (2,)),
        ((slice(None), slice(1, None, 2)), None),
        ((slice(None), slice(None, None, -1)), None),
        ((slice(None, None, 2),), None),
        ((slice(None), slice(None), slice(None, None, 2)), None),
        ((slice(None), 0), None),
    ],
)
def test_index_of_steps_alone_is_read(index: tuple[object, ...], steps: object) -> None:
    assert find_strides(index, 1) == steps


def test_padding_of_what_is_not_negative_is_zero() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    (pad,) = [c for c in list_calls(net, torch.randn(2, 3, 12, 12)) if c.target == "ops.pad"]
    assert pad.kwargs["constant_values"] == 0
    deploy(net, torch.randn(2, 3, 12, 13))


@pytest.mark.parametrize(("activation", "width"), [("tanh", 1), ("relu", 3)])
def test_other_padding_stays_infinite(activation: str, width: int) -> None:
    calls = list_calls(Padded(activation, width), torch.randn(2, 3, 12, 12))
    assert [c.kwargs["constant_values"] for c in calls if c.target == "ops.pad"] == [-math.inf]
