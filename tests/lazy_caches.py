"""Modules that keep what they have computed once, as detectors and rotary embeddings do."""

from __future__ import annotations

import torch
from torch import nn


class Anchors(nn.Module):
    """Makes a grid at the first call and for each other shape, batch included; reads numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3, padding=1, bias=False)
        nn.init.constant_(self.conv.weight, 0.3)
        self.shape = None
        self.anchors = torch.empty(0)
        self.strides = torch.tensor([8.0, 16.0])  # a plain attribute, no buffer

    def forward(self, x):
        y = self.conv(x)
        if self.shape != y.shape:
            grid = torch.arange(y.shape[2]).type_as(y) + 0.5
            self.anchors = torch.stack([grid, y.new_full((y.shape[2],), self.strides[1])])
            self.shape = y.shape
        return torch.cat([y, self.anchors.expand(y.shape[0], -1, -1)], 1)


class Rotary(nn.Module):
    """Keeps tables of sines for the longest sequence so far."""

    def __init__(self) -> None:
        super().__init__()
        self.longest = 0
        self.register_buffer("frequencies", 1 / 10 ** torch.linspace(0, 1, 5))
        self.sines = None

    def forward(self, x):
        length = x.shape[1]
        if length > self.longest:
            self.sines = torch.outer(torch.arange(length).float(), self.frequencies).sin()
            self.longest = length
        return x * self.sines[:length]


class ByKey(nn.Module):
    """Keeps a mask for each size that was given, the batch among it."""

    def __init__(self) -> None:
        super().__init__()
        self.masks = {}

    def forward(self, x):
        key = (x.shape[0], x.shape[1])
        if key not in self.masks:
            self.masks[key] = torch.ones(x.shape[1], x.shape[1]).tril()
        return self.masks[key] @ x


class ByNumber(nn.Module):
    """Makes a window at the first call, of a length that it reads of a plain tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.length = torch.tensor(5)
        self.window = None

    def forward(self, x):
        if self.window is None:
            self.window = torch.hann_window(int(self.length)) + int(self.length)
        return x * self.window


class Weighted(nn.Module):
    """Makes a weight at the first call, from a sum that it reads of a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 7)
        nn.init.constant_(self.linear.weight, 0.3)
        nn.init.zeros_(self.linear.bias)
        self.scale = None

    def forward(self, x):
        if self.scale is None:
            self.scale = torch.full((7,), self.linear.weight.detach().abs().sum())
        return self.linear(x) * self.scale


class ForEachCall(nn.Module):
    """Keeps nothing: reads the numbers of a plain tensor in each call."""

    def __init__(self) -> None:
        super().__init__()
        self.strides = torch.tensor([8.0, 16.0])

    def forward(self, x):
        return x + x.new_full((x.shape[1], 5), self.strides[0]) * self.strides[1].item()


class Grown(nn.Module):
    """Keeps tables in a list, and makes the next one when it has too few."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = []

    def forward(self, x):
        while len(self.tables) < 3:
            self.tables.append(torch.full((5,), float(torch.tensor(len(self.tables)).exp())))
        return x + self.tables[-1]


class OtherForEachBatch(nn.Module):
    """No cache: what it looks up for a batch is another function."""

    def __init__(self) -> None:
        super().__init__()
        self.table = {2: 1.0, 3: 10.0}

    def forward(self, x):
        return x * self.table.get(x.shape[0], 100.0)
