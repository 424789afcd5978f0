"""Pixel shuffles are DEPTH_TO_SPACE, with PyTorch's numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from deployed import deploy

IMAGE = (2, 3, 7, 5)


def shuffled(block: int, channels: int, *between: nn.Module, groups: int = 1) -> nn.Module:
    """Return a shuffle to so many channels between two convolutions, and what stands before it."""
    conv = nn.Conv2d(3, channels * block**2, 3, padding=1, groups=groups)
    return nn.Sequential(conv, *between, nn.PixelShuffle(block), nn.Conv2d(channels, 2, 1))


@pytest.mark.parametrize("block", [2, 3])
@pytest.mark.parametrize("channels", [1, 5])
def test_a_shuffle_behind_a_convolution_is_one_operator(block: int, channels: int) -> None:
    torch.manual_seed(0)
    found = deploy(shuffled(block, channels, nn.ReLU()), torch.randn(IMAGE)).operators
    assert found["DEPTH_TO_SPACE"] == 1
    assert "TRANSPOSE" not in found


class Twice(nn.Module):
    """One convolution, whose channels one more layer reads, or that is called twice."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv, self.way = nn.Conv2d(3, 12, 3, padding=1), way
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.conv(x)
        other = y if self.way == "read twice" else self.conv(x.tanh())
        return self.shuffle(y), other.sigmoid()


@pytest.mark.parametrize("way", ["read twice", "called twice"])
def test_channels_of_others_keep_their_order(way: str) -> None:
    torch.manual_seed(0)
    assert deploy(Twice(way), torch.randn(IMAGE)).operators["DEPTH_TO_SPACE"] == 0


@pytest.mark.parametrize("between", [nn.Softmax(1), nn.InstanceNorm2d(12, affine=True)])
def test_what_tells_channels_apart_keeps_their_order(between: nn.Module) -> None:
    torch.manual_seed(0)
    assert deploy(shuffled(2, 3, between), torch.randn(IMAGE)).operators["DEPTH_TO_SPACE"] == 0


def test_groups_keep_their_order() -> None:
    torch.manual_seed(0)
    module = shuffled(2, 3, groups=3)
    assert deploy(module, torch.randn(IMAGE)).operators["DEPTH_TO_SPACE"] == 0
