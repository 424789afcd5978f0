"""A transposed convolution as a convolution and a reshape, for all sizes that go together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from deployed import deploy
from torch2keras.deployment_forms.interleaved_convolution import fit_ends, split_phases

SIZES = [
    (kernel, stride, padding, more)
    for kernel, stride, padding, more in itertools.product(
        (1, 2, 3, 4, 7), (1, 2, 3), (0, 1, 3), (0, 1)
    )
    if more < stride and 2 * padding <= kernel + 4 * stride
]


def test_all_sizes_by_the_definition() -> None:
    """The phases, applied by PyTorch's convolution, give its transposed one."""
    torch.manual_seed(0)
    for kernel, stride, padding, more in SIZES:
        layer = nn.ConvTranspose1d(3, 2, kernel, stride, padding, more, bias=False).double()
        x = torch.randn(1, 3, 9, dtype=torch.float64)
        expected = layer(x)
        own = layer.weight.detach().numpy().transpose(2, 1, 0)[None]
        phases, first, last = split_phases(own, stride, padding)
        after = expected.shape[-1]
        steps = -(-after // stride)
        behind = steps - 1 - first - 8
        padded = nn.functional.pad(x, (last, behind))
        y = torch.conv1d(padded, torch.tensor(phases.transpose(2, 1, 0)))
        found = y.reshape(stride, 2, steps).permute(1, 2, 0).reshape(2, -1)[:, :after]
        np.testing.assert_allclose(found, expected[0].detach(), atol=1e-12)


@pytest.mark.parametrize(
    "size", [(4, 2, 1, 0), (3, 2, 1, 1), (8, 4, 2, 0), (2, 3, 0, 0), (5, 1, 4, 0)]
)
@pytest.mark.parametrize("groups", [1, 2])
def test_file_gives_the_same_numbers(size: tuple[int, int, int, int], groups: int) -> None:
    torch.manual_seed(0)
    kernel, stride, padding, more = size
    layer = nn.ConvTranspose1d(4, 6, kernel, stride, padding, more, groups)
    found = deploy(nn.Sequential(layer, nn.ReLU()), torch.randn(2, 4, 13)).operators
    assert (found["CONV_2D"], found["TRANSPOSE_CONV"]) == (1, 0)


def test_usual_upsampling_is_two_operators() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.ConvTranspose1d(4, 6, 4, 2, 1), nn.Conv1d(6, 4, 3))
    found = deploy(net, torch.randn(2, 4, 13)).operators
    assert dict(found) == {"RESHAPE": 3, "CONV_2D": 2}


@pytest.mark.parametrize("options", [{"dilation": 2}, {"groups": 4}, {"bias": False}], ids=str)
def test_others_are_as_before(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    deploy(nn.ConvTranspose1d(4, 4, 3, 2, **options), torch.randn(2, 4, 13))


def test_images_are_as_before() -> None:
    torch.manual_seed(0)
    found = deploy(nn.ConvTranspose2d(4, 6, 4, 2, 1), torch.randn(2, 4, 5, 7)).operators
    assert found["TRANSPOSE_CONV"] == 1


def test_ends_are_padded_or_cut() -> None:
    image = torch.arange(5.0).reshape(1, 1, 5, 1).numpy()
    assert fit_ends(image, -1, 2)[0, 0, :, 0].numpy().tolist() == [1, 2, 3, 4, 0, 0]
