"""Layers that write to their own weight in forward, as nets for EEG limit its norm."""

from __future__ import annotations

import torch
from torch import nn

MOST = 0.25


class ByData(nn.Linear):
    def forward(self, x):
        self.weight.data = torch.renorm(self.weight.data, 2, 0, MOST)
        return super().forward(x)


class ByDataWithoutGrad(nn.Linear):
    def forward(self, x):
        with torch.no_grad():
            self.weight.data = torch.renorm(self.weight.data, 2, 0, MOST)
        return super().forward(x)


class ByCopy(nn.Linear):
    def forward(self, x):
        with torch.no_grad():
            self.weight.copy_(torch.renorm(self.weight, 2, 0, MOST))
        return super().forward(x)


class ByClamp(nn.Linear):
    def forward(self, x):
        self.weight.data.clamp_(-MOST, MOST)
        return super().forward(x)


class ByProduct(nn.Linear):
    def forward(self, x):
        with torch.no_grad():
            largest = self.weight.abs().amax(1, keepdim=True)
            self.weight *= torch.where(
                largest > MOST, 2.0 ** -torch.ceil(torch.log2(largest / MOST)), 1
            )
        return super().forward(x)


class Drifts(nn.Linear):
    """Another weight at each call."""

    def forward(self, x):
        self.weight.data = self.weight.data * 0.5
        return super().forward(x)


class Swaps(nn.Linear):
    """The same weight at every other call."""

    def forward(self, x):
        self.weight.data = self.weight.data.flip(0)
        return super().forward(x)


class ByInput(nn.Linear):
    """A weight that hangs on what is given."""

    def forward(self, x):
        self.weight.data = torch.renorm(self.weight.data, 2, 0, float(MOST)) * x.mean().sign()
        return super().forward(x)


class UsesBefore(nn.Linear):
    """The first call alone sees the weight as it was."""

    def forward(self, x):
        y = super().forward(x)
        self.weight.data = torch.renorm(self.weight.data, 2, 0, MOST)
        return y + super().forward(x)


SETTLED = (ByData, ByDataWithoutGrad, ByCopy, ByClamp, ByProduct)
UNSETTLED = (Drifts, Swaps, ByInput, UsesBefore)
