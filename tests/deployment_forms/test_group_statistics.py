"""Group normalization in the rank of its input, for images and sequences."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deployed import deploy

NORMS = {
    "groups": nn.GroupNorm(3, 12),
    "one group": nn.GroupNorm(1, 12, affine=False),
    "each channel": nn.GroupNorm(12, 12),
    "instances": nn.InstanceNorm2d(12, affine=True),
}


@pytest.mark.parametrize("name", NORMS)
def test_images(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 12, 1), NORMS[name])
    found = deploy(net, torch.randn(2, 3, 7, 11) + 5).operators
    assert not {"RESHAPE", "TRANSPOSE"} & set(found)


def test_sequences() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(3, 12, 3), nn.GroupNorm(4, 12), nn.Conv1d(12, 2, 3))
    assert deploy(net, torch.randn(2, 3, 23)).operators["RESHAPE"] == 2


def test_other_ranks_stay_as_they_are() -> None:
    torch.manual_seed(0)
    deploy(nn.GroupNorm(3, 12), torch.randn(2, 12))
    deploy(nn.GroupNorm(3, 12), torch.randn(2, 12, 3, 4, 5))


def test_channels_are_normalized_in_seven_operators_and_weights() -> None:
    torch.manual_seed(0)
    norm = nn.LayerNorm(12)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    found = deploy(norm, torch.randn(2, 7, 12) * 3 + 5).operators
    assert found.total() <= 9
    deploy(nn.LayerNorm(12, elementwise_affine=False), torch.randn(2, 12))
    deploy(nn.LayerNorm([7, 12]), torch.randn(2, 3, 7, 12))


def test_channels_of_sequences_stay_in_their_chain() -> None:
    torch.manual_seed(0)
    norm = nn.Sequential(nn.Conv1d(3, 12, 3), ChannelNorm(), nn.Conv1d(12, 2, 3))
    assert deploy(norm, torch.randn(2, 3, 23)).operators["RESHAPE"] == 2


class ChannelNorm(nn.Module):
    """A normalization of the channels of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x.transpose(1, 2)).transpose(1, 2)
