"""Nets whose weights are divided over devices, with an input of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

WORDS, LENGTH, BATCH = 96, 12, 8


class Encoder(nn.Module):
    """A stranger's encoder in the manner of BERT: attention by hand, names that tell nothing."""

    def __init__(self, width: int = 32, heads: int = 8, blocks: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.t, self.p = nn.Embedding(WORDS, width), nn.Embedding(16, width)
        self.z = nn.LayerNorm(width)
        self.b = nn.ModuleList(EncoderBlock(width, heads) for _ in range(blocks))
        self.u, self.w = nn.Linear(width, width), nn.Linear(width, 3)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.z(self.t(words) + self.p(torch.arange(words.shape[1])))
        for block in self.b:
            x = block(x)
        return self.w(torch.tanh(self.u(x[:, 0])))


class EncoderBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.a, self.b, self.c, self.d = (nn.Linear(width, width) for _ in range(4))
        self.e, self.f = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.g, self.h = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = *x.shape[:2], self.heads, -1
        q, k, v = (linear(x).view(size).transpose(1, 2) for linear in (self.a, self.b, self.c))
        attention = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1)
        y = (attention @ v).transpose(1, 2).flatten(2)
        x = self.g(x + self.d(y))
        return self.h(x + self.f(functional.gelu(self.e(x))))


class Conv1D(nn.Module):
    """The linear map of GPT-2: its kernel is (inputs, outputs)."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.1 * torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.addmm(self.bias, x.view(-1, x.shape[-1]), self.weight)
        return y.view(*x.shape[:-1], self.weight.shape[1])


class Decoder(nn.Module):
    """GPT-2: one kernel for queries, keys and values; the logits come from the embedding."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.wte, self.wpe = nn.Embedding(WORDS, width), nn.Embedding(16, width)
        self.attn, self.proj = Conv1D(3 * width, width), Conv1D(width, width)
        self.fc, self.out = Conv1D(4 * width, width), Conv1D(width, 4 * width)
        self.ln_1, self.ln_2, self.ln_f = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.wte(words) + self.wpe(torch.arange(words.shape[1]))
        parts = self.attn(self.ln_1(x)).split(self.width, dim=2)
        q, k, v = (p.view(*p.shape[:2], self.heads, -1).transpose(1, 2) for p in parts)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).flatten(2))
        x = x + self.out(functional.gelu(self.fc(self.ln_2(x)), approximate="tanh"))
        return functional.linear(self.ln_f(x), self.wte.weight)


class VisionTransformer(nn.Module):
    """Queries, keys and values of all heads in one kernel, as in timm."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.cls = nn.Parameter(torch.randn(1, 1, width))
        self.pos = nn.Parameter(torch.randn(1, 17, width))
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.head = nn.Linear(width, 8)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patch(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        n, t, c = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.proj(y.transpose(1, 2).reshape(n, t, c))
        x = x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))
        return self.head(x[:, 0])


class Convolutions(nn.Module):
    """A TCN: dilated convolutions with batch norms, a depthwise one, a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.an = nn.Conv1d(3, 16, 3, padding=1), nn.BatchNorm1d(16)
        self.b, self.bn = nn.Conv1d(16, 32, 3, padding=2, dilation=2), nn.BatchNorm1d(32)
        self.depthwise = nn.Conv1d(32, 32, 3, padding=1, groups=32)
        self.shortcut = nn.Conv1d(3, 32, 1)
        self.head = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn(self.b(torch.relu(self.an(self.a(x))))))
        return self.head((self.depthwise(y) + self.shortcut(x)).mean(-1))


class Recurrent(nn.Module):
    """An LSTM in both directions, and a GRU behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(WORDS, 16)
        self.lstm = nn.LSTM(16, 24, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(48, 16, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x, _ = self.lstm(self.table(words))
        return self.head(self.gru(x)[0][:, -1])


class WholeAttention(nn.Module):
    """`nn.MultiheadAttention`, which is one layer of Keras, with its dropout off."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.head = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(x).mean(1))


def make_odd_perceptron() -> nn.Module:
    """Sizes that four does not divide, but for one."""
    sizes = (6, 30, 22, 36, 5)
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def draw_words() -> torch.Tensor:
    return torch.randint(0, WORDS, (BATCH, LENGTH))


class Net(NamedTuple):
    module: Callable[[], nn.Module]
    data: Callable[[], torch.Tensor]


NETS = {
    "encoder": Net(Encoder, draw_words),
    "decoder": Net(Decoder, draw_words),
    "vision": Net(VisionTransformer, lambda: torch.randn(BATCH, 3, 16, 16)),
    "convolutions": Net(Convolutions, lambda: torch.randn(BATCH, 3, 40)),
    "recurrent": Net(Recurrent, draw_words),
    "attention": Net(WholeAttention, lambda: torch.randn(BATCH, 10, 32)),
    "odd": Net(make_odd_perceptron, lambda: torch.randn(BATCH, 6)),
}
