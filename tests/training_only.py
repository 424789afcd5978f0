"""Modules that drop or add noise in train mode alone, in the ways that people write it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

RATE = 0.25
KEPT = 1 - RATE


def shape_of_rows(x):
    return (x.shape[0],) + (1,) * (x.ndim - 1)


def by_floor(x):
    mask = KEPT + torch.rand(shape_of_rows(x), dtype=x.dtype)
    mask.floor_()
    return x.div(KEPT) * mask


def by_comparison(x):
    return x * (torch.rand(shape_of_rows(x)) < KEPT).float() / KEPT


def by_choice(x):
    return torch.where(torch.rand(shape_of_rows(x)) < KEPT, x / KEPT, 0.0)


def by_filling(x):
    return (x / KEPT).masked_fill(torch.rand(shape_of_rows(x)) < RATE, 0)


def by_bernoulli(x):
    mask = x.new_empty(shape_of_rows(x)).bernoulli_(KEPT)
    mask.div_(KEPT)
    return x * mask


def by_probabilities(x):
    return torch.bernoulli(torch.full(shape_of_rows(x), KEPT)) / KEPT * x


def by_index(x):
    return x * (torch.rand(x.shape[0]) > RATE)[:, None, None] / KEPT


def by_view(x):
    return x * torch.bernoulli(torch.full((len(x),), KEPT)).view(-1, 1, 1).expand_as(x) / KEPT


def whole_batch(x):
    return x * torch.empty(1, 1, 1).bernoulli_(KEPT) / KEPT


def tokens(x):
    return x * (torch.rand(x.shape[0], 1, x.shape[2]) < KEPT) / KEPT


def elements(x):
    return x * (torch.rand_like(x) < KEPT) / KEPT


def dropout(x):
    return F.dropout(x, RATE)


def channels(x):
    return F.dropout1d(x, RATE)


DROPS = {
    "floor of a sum": (by_floor, (0,)),
    "comparison": (by_comparison, (0,)),
    "where": (by_choice, (0,)),
    "masked_fill": (by_filling, (0,)),
    "bernoulli_": (by_bernoulli, (0,)),
    "bernoulli of probabilities": (by_probabilities, (0,)),
    "a mask of rank one": (by_index, (0,)),
    "a mask that is viewed": (by_view, (0,)),
    "the whole batch": (whole_batch, ()),
    "positions": (tokens, (0, 2)),
    "elements": (elements, (0, 1, 2)),
    "dropout that eval mode lacks": (dropout, (0, 1, 2)),
    "channels that eval mode lacks": (channels, (0, 1)),
}
"""Functions of (n, c, l) that drop RATE of it -> the dims that decide by themselves."""


class Sometimes(nn.Module):
    """A function that is called in train mode alone."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x) if self.training else x


class Inline(nn.Module):
    """Stochastic depth in the block itself, and dropouts whose rates the mode tells."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(7, 7), nn.Linear(7, 7), nn.BatchNorm1d(5)

    def forward(self, x):
        y = self.norm(self.first(x))
        if self.training:
            y = y * (torch.empty(len(y), 1, 1).bernoulli_(0.7) / 0.7)
        x = torch.relu(x + y)
        return x + F.dropout(self.second(x), 0.3 if self.training else 0.0, self.training)


class Attention(nn.Module):
    """Attention as transformers' models have it."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(7, 7)

    def forward(self, x):
        x = self.project(x)[:, None]
        rate = RATE if self.training else 0.0
        return F.scaled_dot_product_attention(x, x, x, dropout_p=rate)


class SkipsByPython(nn.Module):
    """A branch on a random number: no layer of Keras does that."""

    def forward(self, x):
        if self.training and torch.rand(1) < 0.5:
            return x
        return x * 2


class Behind(nn.Module):
    """What cannot be read stands before what can, which is found again."""

    def __init__(self):
        super().__init__()
        self.unread, self.block, self.last = nn.RReLU(), Inline(), nn.Linear(7, 7)

    def forward(self, x):
        return self.last(self.block(self.unread(x)))
