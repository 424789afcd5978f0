"""Layers and functions that random networks use beside those of PyTorch itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn


class Scale(nn.Module):
    """A parameter for each place of some dimension, multiplied in."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, x):
        return x * self.weight


class Shift(Scale):
    """The same, added."""

    def forward(self, x):
        return x + self.weight


class Token(Scale):
    """A parameter in front of dimension 1, the same for each of the batch."""

    def forward(self, x):
        return torch.cat([self.weight.expand(len(x), *self.weight.shape[1:]), x], 1)


class SelfAttention(nn.MultiheadAttention):
    """Of a value to itself, the batch first; the weights are not given out."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__(width, count, batch_first=True)

    def forward(self, x):
        return super().forward(x, x, x, need_weights=False)[0]


class Recurrent(nn.GRU):
    """A layer of 3 units in both directions, its states left out."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 3, batch_first=True, bidirectional=True)

    def forward(self, x):
        return super().forward(x)[0]


def written(x, at, place):
    y = x.clone()
    y.select(at, place).mul_(2)
    return y


def strided_add(x, at):
    y = x.clone()
    y[(slice(None),) * at + (slice(None, None, 2),)] += 1
    return y


def attention(x, count, causal):
    q = x.unflatten(-1, (count, -1)).transpose(1, 2)
    return (
        F.scaled_dot_product_attention(q, q.flip(2), q, is_causal=causal).transpose(1, 2).flatten(2)
    )


def attention_in_orders(x, count, scores, out):
    """With the scores and the result in any order of their axes."""
    q = x.unflatten(-1, (count, -1))
    weights = torch.einsum(f"nthd,nshd->{scores}", q, q).softmax(scores.index("s"))
    return torch.einsum(f"{scores},nshd->{out}", weights, q)


def masked_attention(x, soft):
    """Of any rank, with a mask that is computed."""
    mask = x[..., :1] if soft else x[..., :1] > 0
    return F.scaled_dot_product_attention(x, x.flip(-2), x, attn_mask=mask)
