"""Mixtures of experts as people write them: each expert runs on the rows that chose it."""

from __future__ import annotations

import torch
from torch import nn

COUNT, MOST, WIDTH = 4, 2, 7


class Experts(nn.Module):
    """Experts, and the weights and indices of those that a row chooses."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, COUNT)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, 13), nn.GELU(), nn.Linear(13, WIDTH))
            for _ in range(COUNT)
        )

    def choose(self, x):
        return torch.softmax(self.gate(x), -1).topk(MOST)


class ByRows(Experts):
    def forward(self, x):
        weights, index = self.choose(x)
        y = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            rows, place = torch.where(index == e)
            y[rows] += weights[rows, place, None] * expert(x[rows])
        return y


class ByIndexAdd(Experts):
    def forward(self, x):
        weights, index = self.choose(x)
        y = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            rows, place = torch.where(index == e)
            y.index_add_(0, rows, expert(x[rows]) * weights[rows, place, None])
        return y


class ByMask(Experts):
    def forward(self, x):
        weights, index = self.choose(x)
        y = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            mask = (index == e).any(-1)
            y[mask] += (weights * (index == e)).sum(-1)[mask][:, None] * expert(x[mask])
        return y


class SkipsIdle(Experts):
    def forward(self, x):
        weights, index = self.choose(x)
        y = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            mask = (index == e).any(-1)
            if not mask.any():
                continue
            y[mask] += (weights * (index == e)).sum(-1)[mask][:, None] * expert(x[mask])
        return y


class OverHit(Experts):
    def forward(self, x):
        weights, index = self.choose(x)
        y = torch.zeros_like(x)
        counts = nn.functional.one_hot(index, COUNT).sum((0, 1))
        for e in counts.nonzero():
            rows, place = torch.where(index == e)
            y.index_add_(0, rows, self.experts[e](x[rows]) * weights[rows, place, None])
        return y


WRITTEN = {
    "where, and a write": ByRows,
    "where, and index_add_": ByIndexAdd,
    "a mask": ByMask,
    "a mask, but for idle experts": SkipsIdle,
    "over the experts that are hit": OverHit,
}
