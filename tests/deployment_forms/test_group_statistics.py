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
