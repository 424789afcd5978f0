"""Small nets of many kinds, to train on both sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.utils.parametrizations import weight_norm


@dataclass(frozen=True)
class Case:
    """A module, and what makes an input of it."""

    module: Callable[[], nn.Module]
    data: Callable[[], Tensor]


def noise(*shape: int) -> Callable[[], Tensor]:
    """Return what draws normal numbers of a shape."""
    return lambda: torch.randn(shape)


def indices(*shape: int) -> Callable[[], Tensor]:
    """Return what draws indices below 20."""
    return lambda: torch.randint(0, 20, shape)


class Mean(nn.Module):
    """The mean over the last dimension."""

    def forward(self, x: Tensor) -> Any:
        return x.mean(-1)


class Swap(nn.Module):
    """The last two dimensions exchanged."""

    def forward(self, x: Tensor) -> Any:
        return x.transpose(1, 2)


class Add(nn.Sequential):
    """A chain beside its input."""

    def forward(self, x: Tensor) -> Any:
        return x + super().forward(x)  # type: ignore[no-untyped-call]


class Causal(nn.Module):
    """A dilated causal convolution with a batch norm, beside its input."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.cut = 2 * dilation
        self.conv = nn.Conv1d(8, 8, 3, padding=self.cut, dilation=dilation)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x: Tensor) -> Any:
        return relu(x + self.norm(self.conv(x)[..., : -self.cut]))


class Basic(nn.Module):
    """A block of a ResNet, with a projection where the size changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(before, after, 3, stride, 1, bias=False)
        self.second = nn.Conv1d(after, after, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm1d(after), nn.BatchNorm1d(after)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            projection = nn.Conv1d(before, after, 1, stride, bias=False)
            self.skip = nn.Sequential(projection, nn.BatchNorm1d(after))

    def forward(self, x: Tensor) -> Any:
        y = self.norm2(self.second(relu(self.norm1(self.first(x)))))
        return relu(y + self.skip(x))


class Last(nn.Module):
    """A recurrent layer and a projection of its last state, or of all its steps."""

    def __init__(self, layer: nn.Module, width: int, *, last: bool) -> None:
        super().__init__()
        self.layer, self.head, self.last = layer, nn.Linear(width, 3), last

    def forward(self, x: Tensor) -> Any:
        y = self.layer(x)[0]
        return self.head(y[:, -1] if self.last else y)


class Text(nn.Module):
    """A decoder of one block whose logits are made by its own table."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.places = nn.Embedding(20, 8), nn.Embedding(6, 8)
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.table.weight
        self.register_buffer("mask", torch.full((6, 6), float("-inf")).triu(1))

    def forward(self, words: Tensor) -> Any:
        x = self.table(words) + self.places.weight
        y = self.norm1(x)
        x = x + self.attention(y, y, y, attn_mask=self.mask, need_weights=False)[0]
        return self.head(x + self.mlp(self.norm2(x)))


class Encoder(nn.Module):
    """Learned places and two layers of PyTorch's own encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(0.1 * torch.randn(1, 6, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.layers(x + self.places).mean(1))


class UNet(nn.Module):
    """One level down and up again, with a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.Conv1d(2, 6, 3, padding=1), nn.BatchNorm1d(6), nn.ReLU())
        self.deep = nn.Sequential(nn.MaxPool1d(2), nn.Conv1d(6, 12, 3, padding=1), nn.LeakyReLU())
        self.up = nn.ConvTranspose1d(12, 6, 4, 2, 1)
        self.after = nn.Conv1d(12, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Any:
        y = self.before(x)
        return self.after(torch.cat([y, self.up(self.deep(y))], 1))


class Scaled(nn.Module):
    """A block of a ConvNeXt along time, with a layer scale."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(8, 8, 7, padding=3, groups=8)
        self.norm, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.gamma = nn.Parameter(torch.full((8,), 0.3))

    def forward(self, x: Tensor) -> Any:
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.gamma * self.narrow(nn.functional.gelu(self.wide(y)))
        return x + y.transpose(1, 2)


class Patches(nn.Module):
    """A vision transformer of one block, its class token first."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.patch, self.qkv = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 24)
        self.norm, self.out, self.head = nn.LayerNorm(8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        y = self.patch(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1)
        n, length, _ = y.shape
        q, k, v = self.qkv(self.norm(y)).reshape(n, length, 3, 2, 4).permute(2, 0, 3, 1, 4)
        z = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return self.head((y + self.out(z.reshape(n, length, 8)))[:, 0])


class Gated(nn.Module):
    """A block of a WaveNet."""

    def __init__(self) -> None:
        super().__init__()
        self.gates, self.out = nn.Conv1d(6, 12, 3, padding=1), nn.Conv1d(6, 6, 1)

    def forward(self, x: Tensor) -> Any:
        value, gate = self.gates(x).chunk(2, 1)
        return x + self.out(value.tanh() * gate.sigmoid())


class Excited(nn.Module):
    """Channels weighted by what a small net says of their means."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 8, 3, padding=1)
        self.squeeze, self.excite = nn.Linear(8, 4), nn.Linear(4, 8)

    def forward(self, x: Tensor) -> Any:
        y = self.conv(x)
        weights = self.excite(relu(self.squeeze(y.mean(-1)))).sigmoid()
        return (y * weights[..., None]).amax(-1)


class Dense(nn.Module):
    """Each convolution reads all before it."""

    def __init__(self) -> None:
        super().__init__()
        convs = [nn.Conv1d(4 * place, 4, 3, padding=1) for place in (1, 2, 3)]
        norms = [nn.BatchNorm1d(4 * place) for place in (1, 2, 3)]
        self.convs, self.norms = nn.ModuleList(convs), nn.ModuleList(norms)

    def forward(self, x: Tensor) -> Any:
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = torch.cat([x, conv(relu(norm(x)))], 1)
        return x.mean(-1)


class Branches(nn.Module):
    """Convolutions of several widths and a pool, side by side."""

    def __init__(self) -> None:
        super().__init__()
        convs = [nn.Conv1d(3, 4, size, padding=size // 2) for size in (1, 3, 5)]
        self.convs = nn.ModuleList(convs)
        self.pool, self.head = nn.AvgPool1d(3, 1, 1), nn.Linear(15, 3)

    def forward(self, x: Tensor) -> Any:
        parts = [conv(x) for conv in self.convs]
        return self.head(relu(torch.cat([*parts, self.pool(x)], 1)).mean(-1))


def _build_mobile() -> nn.Module:
    wide = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
    deep = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8), nn.Hardswish())
    block = Add(*wide, *deep, nn.Conv2d(8, 4, 1, bias=False), nn.BatchNorm2d(4))
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), block, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _build_norms() -> nn.Module:
    first = (nn.Conv1d(3, 8, 5, padding=2), nn.GroupNorm(4, 8), nn.SiLU())
    second = (nn.Conv1d(8, 8, 3, 2, 1), nn.InstanceNorm1d(8, affine=True), nn.Mish())
    return nn.Sequential(*first, *second, Mean(), nn.Linear(8, 3))


def _build_frozen() -> nn.Module:
    net = nn.Sequential(nn.Conv1d(3, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), Mean(), nn.Linear(8, 3))
    net[0].requires_grad_(requires_grad=False)
    return net


CASES: Mapping[str, Case] = {
    "perceptron, batch norm": Case(
        lambda: nn.Sequential(
            *(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))
        ),
        noise(6, 5),
    ),
    "TCN": Case(
        lambda: nn.Sequential(nn.Conv1d(2, 8, 1), Causal(1), Causal(2), Causal(4)), noise(4, 2, 20)
    ),
    "ResNet along time": Case(
        lambda: nn.Sequential(
            nn.Conv1d(1, 8, 7, 2, 3, bias=False),
            *(nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(3, 2, 1)),
            *(Basic(8, 8, 1), Basic(8, 16, 2), Mean(), nn.Linear(16, 4)),
        ),
        noise(4, 1, 64),
    ),
    "DenseNet along time": Case(Dense, noise(4, 4, 12)),
    "Inception along time": Case(Branches, noise(4, 3, 12)),
    "WaveNet": Case(
        lambda: nn.Sequential(nn.Conv1d(2, 6, 1), Gated(), Gated(), nn.Conv1d(6, 2, 1)),
        noise(4, 2, 16),
    ),
    "U-Net along time": Case(UNet, noise(4, 2, 16)),
    "decoder, transposed": Case(
        lambda: nn.Sequential(
            nn.Linear(6, 24), nn.Unflatten(1, (6, 4)), nn.ConvTranspose1d(6, 4, 4, 2, 1), nn.Tanh()
        ),
        noise(4, 6),
    ),
    "squeeze and excite": Case(Excited, noise(4, 3, 12)),
    "MobileNet": Case(_build_mobile, noise(4, 3, 12, 12)),
    "ConvNeXt along time": Case(
        lambda: nn.Sequential(nn.Conv1d(3, 8, 2, 2), Scaled(), Scaled(), Mean()), noise(4, 3, 16)
    ),
    "group and instance norm": Case(_build_norms, noise(4, 3, 16)),
    "PReLU, local": Case(
        lambda: nn.Sequential(
            *(nn.Conv1d(3, 6, 3), nn.PReLU(6), nn.Conv1d(6, 6, 3, groups=6), nn.PReLU(), Mean())
        ),
        noise(4, 3, 14),
    ),
    "LSTM, two ways": Case(
        lambda: Last(nn.LSTM(4, 5, batch_first=True, bidirectional=True), 10, last=False),
        noise(4, 6, 4),
    ),
    "GRU": Case(lambda: Last(nn.GRU(4, 5, batch_first=True), 5, last=True), noise(4, 6, 4)),
    "convolutions and an LSTM": Case(
        lambda: nn.Sequential(
            *(nn.Conv1d(3, 4, 3), nn.ReLU(), Swap()),
            Last(nn.LSTM(4, 5, batch_first=True), 5, last=True),
        ),
        noise(4, 3, 8),
    ),
    "transformer encoder": Case(Encoder, noise(4, 6, 8)),
    "vision transformer": Case(Patches, noise(4, 3, 8, 8)),
    "text, tied": Case(Text, indices(4, 6)),
    "bag of words": Case(
        lambda: nn.Sequential(nn.EmbeddingBag(20, 6, mode="mean"), nn.Linear(6, 3)), indices(4, 6)
    ),
    "frozen beginning": Case(_build_frozen, noise(4, 3, 12)),
    "weight_norm": Case(lambda: nn.Sequential(weight_norm(nn.Linear(5, 3))), noise(4, 5)),
}
