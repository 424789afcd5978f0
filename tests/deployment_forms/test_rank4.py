"""Chains of one-dimensional layers are images from their first convolution to their last."""

from __future__ import annotations

import pytest
import tensorflow as tf
import torch
from torch import Tensor, nn
from torch.nn import functional

from deployed import deploy
from torch2keras.deployment_forms.rank4 import Rank4, lower_rank, raise_rank


class Causal(nn.Module):
    """A residual block of a temporal convolutional network, cut to the past."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(6, 6, 3, padding=4, dilation=2)
        self.norm = nn.BatchNorm1d(6)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.norm(functional.gelu(self.first(x)[..., :-4])))


class Branches(nn.Module):
    """Pools and convolutions side by side, joined along channels and along time."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv1d(6, 4, 9, padding=4)
        self.depth = nn.Conv1d(6, 6, 5, padding=2, groups=6, stride=2)
        self.grouped = nn.Conv1d(6, 4, 4, groups=2, stride=2, padding=1)
        self.norm = nn.LayerNorm(4)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat(
            [functional.max_pool1d(x, 3, 1, 1), functional.avg_pool1d(x, 3, 1, 1)], -1
        )
        both = torch.cat([self.wide(pooled), self.grouped(pooled).repeat(1, 1, 2)], 2)
        normal = self.norm(both.transpose(1, 2)).transpose(1, 2)
        halves = self.depth(functional.interpolate(x, scale_factor=3))
        return torch.cat([normal.mean(2), halves.amax(-1), halves[:, :, 1:-1].sum(2)], 1)


class Between(nn.Module):
    """What is no chain: a product over time between convolutions, and a number a time."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(6, 6, 3), nn.Conv1d(6, 6, 3)
        self.gate = nn.Parameter(torch.randn(1, 1, 7))

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y = torch.softmax(y @ y.transpose(1, 2), -1) @ y
        y = y * (y > 0).float() + y.flatten(1).mean()
        return self.second(functional.pad(y, (1, 2), mode="reflect"))


@pytest.mark.parametrize("length", [16, 23])
@pytest.mark.parametrize("net", [Causal, Branches, Between])
def test_chain_gives_the_same_numbers(net: type[nn.Module], length: int) -> None:
    torch.manual_seed(0)
    deploy(net(), torch.randn(2, 6, length))


def test_chain_has_no_reshape_but_at_its_ends() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*[Causal() for _ in range(3)])
    found = deploy(net, torch.randn(2, 6, 23)).operators
    assert found["RESHAPE"] + found["EXPAND_DIMS"] + found["SQUEEZE"] == 2
    assert found["CONV_2D"] == 3


def test_normalization_becomes_part_of_the_convolution() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(6)
    norm.running_mean.normal_()
    found = deploy(nn.Sequential(nn.Conv1d(6, 6, 3), norm, nn.ReLU()), torch.randn(2, 6, 23))
    assert set(found.operators) == {"RESHAPE", "CONV_2D"}


def test_sequence_of_an_image_is_made_once() -> None:
    held = Rank4(tf.ones((2, 1, 5, 3)))
    assert lower_rank(held) is lower_rank(held)
    assert lower_rank(held).shape == (2, 5, 3)


def test_operands_broadcast_as_before() -> None:
    assert raise_rank(tf.ones((5, 3))).shape == (5, 3)
    assert raise_rank(tf.ones((2, 5, 1))).shape == (2, 1, 5, 1)
    assert raise_rank(tf.ones((2, 2, 5, 1))) is NotImplemented
    assert raise_rank(2.0) == 2.0


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout1d, nn.AlphaDropout])
def test_dropout_between_convolutions_is_not_there(kind: type[nn.Module]) -> None:
    net = nn.Sequential(nn.Conv1d(6, 6, 3), kind(0.5), nn.ReLU(), nn.Conv1d(6, 6, 3))
    found = deploy(net, torch.randn(2, 6, 23)).operators
    assert dict(found) == {"CONV_2D": 2, "RESHAPE": 2}


class AnotherAxis(nn.Module):
    """A dense layer whose output has its channels in the middle, where a bias is not last."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 8)
        self.conv = nn.Conv1d(20, 20, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        return self.conv(torch.relu(y)) * y


def test_bias_of_a_middle_axis_is_added() -> None:
    deployed = deploy(AnotherAxis(), torch.randn(2, 20, 6))
    targets = [call.target for call in deployed.model.graph.calls]
    assert "layers.EinsumDense" in targets
