"""The nets of the benchmarks, for any converter's environment: this file needs PyTorch alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


@dataclass(frozen=True)
class Net:
    """A PyTorch module and the shape of its input."""

    module: Callable[[], nn.Module]
    shape: tuple[int, ...]


class Residual(nn.Module):
    """One block of a temporal convolutional network: two causal dilated convolutions."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.cut = 2 * dilation
        self.first = nn.Conv1d(channels, channels, 3, padding=self.cut, dilation=dilation)
        self.second = nn.Conv1d(channels, channels, 3, padding=self.cut, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        y = relu(self.first(x)[..., : -self.cut])
        return relu(x + relu(self.second(y)[..., : -self.cut]))


class UNet(nn.Module):
    """Two levels down and up again along time, with skip connections."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            nn.Conv1d(i, o, 8, stride=4, padding=2) for i, o in ((2, 32), (32, 64))
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(i, o, 8, stride=4, padding=2) for i, o in ((64, 32), (64, 2))
        )

    def forward(self, x: Tensor) -> Tensor:
        low = relu(self.down[0](x))
        y = relu(self.up[0](relu(self.down[1](low))))
        y = self.up[1](torch.cat([y, low], 1))
        return torch.tanh(y)


class Recurrent(nn.Module):
    """A convolution and a bidirectional LSTM of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(16, 64, 5, padding=2)
        self.lstm = nn.LSTM(64, 64, 2, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.lstm(relu(self.conv(x)).transpose(1, 2))[0]
        return y


def encoder() -> nn.Module:
    """Return four layers of attention."""
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)


def torchvision_net(name: str) -> nn.Module:
    """Return a net of torchvision with random weights."""
    import torchvision

    net: nn.Module = torchvision.models.get_model(name, weights=None)
    return net


def vision_transformer() -> nn.Module:
    """Return a ViT-S/16."""
    from torchvision.models import VisionTransformer

    net: nn.Module = VisionTransformer(224, 16, 12, 6, 384, 1536)
    return net


class Bert(nn.Module):
    """A BERT of twelve layers behind its embeddings: inputs of every net are floats here."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        self.bert = BertModel(BertConfig(), add_pooling_layer=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bert(inputs_embeds=x)[0]
        return y


IMAGE = (2, 3, 224, 224)
NETS = {
    "Conv1d": Net(lambda: nn.Conv1d(16, 32, 5, stride=2, padding=2), (2, 16, 1000)),
    "TCN 8 x 64, L 4000": Net(
        lambda: nn.Sequential(*[Residual(64, 2**i) for i in range(8)]), (2, 64, 4000)
    ),
    "depthwise k7 x 256": Net(
        lambda: nn.Conv1d(256, 256, 7, padding=3, groups=256), (2, 256, 2000)
    ),
    "Conv1d 256, k7, groups 8": Net(
        lambda: nn.Conv1d(256, 256, 7, padding=3, groups=8), (2, 256, 2000)
    ),
    "1-D U-Net": Net(UNet, (2, 2, 4096)),
    "Conv1d, BiLSTM x 2": Net(Recurrent, (2, 16, 100)),
    "TransformerEncoder x 4": Net(encoder, (2, 100, 64)),
    "resnet18": Net(lambda: torchvision_net("resnet18"), IMAGE),
    "ResNet50": Net(lambda: torchvision_net("resnet50"), IMAGE),
    "MobileNetV2": Net(lambda: torchvision_net("mobilenet_v2"), IMAGE),
    "DenseNet121": Net(lambda: torchvision_net("densenet121"), IMAGE),
    "VGG16": Net(lambda: torchvision_net("vgg16"), IMAGE),
    "ViT-S/16": Net(vision_transformer, IMAGE),
    "BERT, 12 layers": Net(Bert, (2, 128, 768)),
}
