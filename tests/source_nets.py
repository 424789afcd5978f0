"""Nets in the shapes that people bring, whose source code is looked at."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

Made = tuple[nn.Module, tuple[torch.Tensor, ...]]


class TemporalBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.pad = nn.ConstantPad1d((2 * dilation, 0), 0.0)
        self.conv1 = nn.Conv1d(inputs, outputs, 3, dilation=dilation)
        self.bn1 = nn.BatchNorm1d(outputs)
        self.conv2 = nn.Conv1d(outputs, outputs, 3, dilation=dilation)
        self.drop = nn.Dropout(0.1)
        self.down = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x):
        y = self.drop(torch.relu(self.bn1(self.conv1(self.pad(x)))))
        y = self.drop(torch.relu(self.conv2(self.pad(y))))
        return torch.relu(y + (x if self.down is None else self.down(x)))


def tcn() -> Made:
    """A temporal convolutional net, its dilations powers of two."""
    blocks = [TemporalBlock(3 if i == 0 else 16, 16, 2**i) for i in range(5)]
    net = nn.Sequential(*blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 5))
    return net, (torch.randn(2, 3, 67),)


class DoubleConv(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size in (inputs, outputs):
            layers += [nn.Conv1d(size, outputs, 3, padding=1), nn.BatchNorm1d(outputs), nn.ReLU()]
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x)


class UNet1d(nn.Module):
    def __init__(self, widths: tuple[int, ...] = (8, 16, 32)) -> None:
        super().__init__()
        self.down, self.up, self.merge = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        before = 2
        for width in widths:
            self.down.append(DoubleConv(before, width))
            before = width
        self.middle = DoubleConv(before, 2 * before)
        for width in reversed(widths):
            self.up.append(nn.ConvTranspose1d(2 * width, width, 2, stride=2))
            self.merge.append(DoubleConv(2 * width, width))
        self.out = nn.Conv1d(widths[0], 3, 1)

    def forward(self, x):
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = F.max_pool1d(x, 2)
        x = self.middle(x)
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        return self.out(x)


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(101, 24)
        self.lstm = nn.LSTM(24, 20, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.out = nn.Linear(40, 17)

    def forward(self, words):
        return self.out(self.lstm(self.embedding(words))[0])


class DenseLayer(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm1d(inputs), nn.Conv1d(inputs, 4, 3, padding=1)

    def forward(self, *features):
        return self.conv(torch.relu(self.norm(torch.cat(features, 1))))


class DenseNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([DenseLayer(3 + 4 * i) for i in range(7)])

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(*features))
        return torch.cat(features, 1)


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv1d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 5))

    def forward(self, left, right):
        return self.encoder(left) - self.encoder(right)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(4, 4, 3, padding=1), nn.BatchNorm1d(4)

    def forward(self, x):
        return x + torch.relu(self.norm(self.conv(x)))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, channels // 4), nn.Linear(channels // 4, channels)

    def forward(self, x):
        scale = torch.sigmoid(self.up(torch.relu(self.down(x.mean(2)))))
        return x * scale[:, :, None]


class MobileBlock(nn.Module):
    """An inverted residual: expansion, squeeze-excitation and shortcut where they are wanted."""

    def __init__(self, size: int, wide: int, out: int, stride: int, act: type, *, se: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        if wide != size:
            parts += [nn.Conv1d(size, wide, 1, bias=False), nn.BatchNorm1d(wide), act()]
        depthwise = nn.Conv1d(wide, wide, 5, stride, 2, groups=wide, bias=False)
        parts += [depthwise, nn.BatchNorm1d(wide), act()]
        if se:
            parts.append(SqueezeExcitation(wide))
        parts += [nn.Conv1d(wide, out, 1, bias=False), nn.BatchNorm1d(out)]
        self.block, self.residual = nn.Sequential(*parts), stride == 1 and size == out

    def forward(self, x):
        y = self.block(x)
        return x + y if self.residual else y


def mobile_net() -> Made:
    """Blocks of one class in many variants."""
    rows = [
        (8, 8, 8, 1, nn.ReLU, False),
        (8, 24, 12, 2, nn.ReLU, False),
        (12, 36, 12, 1, nn.ReLU, False),
        (12, 36, 16, 2, nn.Hardswish, True),
        (16, 64, 16, 1, nn.Hardswish, True),
        (16, 64, 16, 1, nn.Hardswish, True),
    ]
    blocks = [MobileBlock(*row[:5], se=row[5]) for row in rows]
    net = nn.Sequential(nn.Conv1d(3, 8, 3, 2, 1), *blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten())
    return net, (torch.randn(2, 3, 97),)


def encoder() -> Made:
    """Transformer encoder layers, all alike."""
    layer = nn.TransformerEncoderLayer(24, 4, 48, batch_first=True)
    return nn.TransformerEncoder(layer, 3, enable_nested_tensor=False), (torch.randn(2, 11, 24),)


def _torchvision(name: str, size: int) -> Callable[[], Made]:
    def make() -> Made:
        from torchvision import models

        return getattr(models, name)(weights=None), (torch.randn(2, 3, size, size),)

    return make


NETS: dict[str, Callable[[], Made]] = {
    "tcn": tcn,
    "unet": lambda: (UNet1d(), (torch.randn(2, 2, 32),)),
    "tagger": lambda: (Tagger(), (torch.randint(0, 101, (2, 13)),)),
    "dense_net": lambda: (DenseNet(), (torch.randn(2, 3, 19),)),
    "siamese": lambda: (Siamese(), (torch.randn(2, 3, 11), torch.randn(2, 3, 11))),
    "mobile_net": mobile_net,
    "encoder": encoder,
    "deep": lambda: (nn.Sequential(*[Residual() for _ in range(226)]), (torch.randn(2, 4, 7),)),
    "resnet18": _torchvision("resnet18", 64),
    "resnet50": _torchvision("resnet50", 64),
}
