"""Convolutions of images by constants, with the normalization behind them in their kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import torch2keras
from deployed import deploy
from torch2keras.deployment_forms.convolution import read_kernel
from torch2keras.deployment_forms.deployment_graph import lower_for_deployment


def spread(norm: Any) -> Any:
    """Return a normalization with statistics and weights that are not the initial ones."""
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.3, 3)
    if norm.weight is not None:
        norm.weight.data.normal_()
        norm.bias.data.normal_()
    return norm


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "strided": {"stride": 2, "padding": 1},
    "same": {"padding": "same"},
    "dilated": {"dilation": 2, "bias": False},
    "grouped": {"groups": 2},
    "depthwise": {"groups": 6, "bias": False},
    "multiplied": {"groups": 6, "out_channels": 12},
    "both": {"stride": 2, "dilation": 2},
}


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_normalized_convolution_gives_the_same_numbers(kind: str, rank: int) -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"in_channels": 6, "out_channels": 6, "kernel_size": 3, **KINDS[kind]}
    conv = getattr(nn, f"Conv{rank}d")(**options)
    norm = getattr(nn, f"BatchNorm{rank}d")(options["out_channels"], eps=0.01)
    found = deploy(nn.Sequential(conv, spread(norm), nn.ReLU()), torch.randn(2, 6, *[17] * rank))
    assert not {"MUL", "ADD"} & set(found.operators)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_kernel_is_that_of_both_modules(bias: bool, affine: bool) -> None:
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(5, 3, 3, bias=bias), spread(nn.BatchNorm2d(3, affine=affine))
    net = nn.Sequential(conv, norm).eval()
    converted = torch2keras.convert(net, torch.randn(2, 5, 9, 9), verify=False)
    (call,) = lower_for_deployment(converted.conversion).graph.calls
    held = read_kernel(call)
    x = torch.randn(1, 5, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        exact = net.double()(x).flatten().numpy()
    found = np.tensordot(x.permute(0, 2, 3, 1).numpy()[0], held["kernel"], 3) + held["bias"]
    np.testing.assert_allclose(found, exact, rtol=1e-12)


class Shared(nn.Module):
    """A convolution with two normalizations in turn, and one whose result is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.other = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.norms = nn.ModuleList(spread(nn.BatchNorm2d(4)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.norms
        y = second(self.conv(torch.tanh(first(self.conv(x)))))
        z = self.other(y)
        return third(z) * z


def test_shared_convolution_has_each_normalization() -> None:
    torch.manual_seed(0)
    deploy(Shared(), torch.randn(2, 4, 7, 5))


def test_uneven_strides_of_a_depthwise_convolution() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 6, 3, stride=(2, 1), groups=6)
    deploy(nn.Sequential(conv, spread(nn.BatchNorm2d(6))), torch.randn(2, 6, 13, 11))
