"""The nets of the speed benchmark, each with the Keras twin that a person writes by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import torch
from torch import nn


@dataclass(frozen=True)
class Net:
    """A PyTorch module, the shape of its input, and a Keras model of the same architecture (channels last)."""

    module: Callable[[], nn.Module]
    shape: tuple[int, ...]
    twin: Callable[[], Any] | None = None


class Residual(nn.Module):
    """One block of a temporal convolutional network: two causal dilated convolutions."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.cut = 2 * dilation
        self.first = nn.Conv1d(channels, channels, 3, padding=self.cut, dilation=dilation)
        self.second = nn.Conv1d(channels, channels, 3, padding=self.cut, dilation=dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.first(x)[..., : -self.cut])
        return torch.relu(x + torch.relu(self.second(y)[..., : -self.cut]))


def tcn_twin(channels: int, blocks: int, length: int) -> keras.Model:
    """The same in Keras, by hand."""
    inputs = x = keras.Input((length, channels))
    for block in range(blocks):
        y = x
        for _ in range(2):
            y = keras.layers.Conv1D(channels, 3, padding="causal", dilation_rate=2**block)(y)
            y = keras.layers.ReLU()(y)
        x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    return keras.Model(inputs, x)


def one_layer(layer: keras.Layer, length: int, channels: int) -> keras.Model:
    """A model of one layer."""
    inputs = keras.Input((length, channels))
    return keras.Model(inputs, layer(inputs))


def torchvision_net(name: str) -> nn.Module:
    """A net of torchvision with random weights."""
    import torchvision

    net: nn.Module = torchvision.models.get_model(name, weights=None)
    return net


IMAGE = (2, 3, 224, 224)
NETS = {
    "ResNet50": Net(lambda: torchvision_net("resnet50"), IMAGE, lambda: keras.applications.ResNet50(weights=None)),
    "MobileNetV2": Net(
        lambda: torchvision_net("mobilenet_v2"), IMAGE, lambda: keras.applications.MobileNetV2(weights=None)
    ),
    "TCN 8 x 64, L 4000": Net(
        lambda: nn.Sequential(*[Residual(64, 2**i) for i in range(8)]), (2, 64, 4000), lambda: tcn_twin(64, 8, 4000)
    ),
    "depthwise k7 x 256": Net(
        lambda: nn.Conv1d(256, 256, 7, padding=3, groups=256),
        (2, 256, 2000),
        lambda: one_layer(keras.layers.DepthwiseConv1D(7, padding="same"), 2000, 256),
    ),
    "Conv1d 256, k7, groups 8": Net(
        lambda: nn.Conv1d(256, 256, 7, padding=3, groups=8),
        (2, 256, 2000),
        lambda: one_layer(keras.layers.Conv1D(256, 7, padding="same", groups=8), 2000, 256),
    ),
}
