"""Scaled dot product attention: ranks, masks, causal, scale, grouped queries."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from op_case import Case, check, function, module

Q, K, V = (2, 3, 5, 7), (2, 3, 11, 7), (2, 3, 11, 7)
INF = float("inf")


def attention(
    *shapes: tuple[int, ...], transposes: int = 4, dynamic_shapes: Any = None, **options: Any
) -> Case:
    """Ports in PyTorch's order may cost a transpose each."""
    return function(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options),
        *shapes,
        transposes=transposes,
        dynamic_shapes=dynamic_shapes,
    )


def masked(make: Any, *, transposes: int = 5) -> Case:
    return function(
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=make(m)),
        Q,
        K,
        V,
        (2, 1, 5, 11),
        transposes=transposes,
    )


class SelfAttention(nn.Module):
    """Projections, heads, attention, output."""

    def __init__(self, *, causal: bool = False) -> None:
        super().__init__()
        self.qkv, self.out, self.causal = nn.Linear(6, 18), nn.Linear(6, 6), causal

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, 2, 3).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(n, length, width))


def hidden(m: torch.Tensor) -> torch.Tensor:
    """A mask that leaves the first query of the second example nothing."""
    return (m > 0) & torch.tensor([[[[True]] + [[True]] * 4], [[[False]] + [[True]] * 4]])


CASES = {
    "four dimensions": attention(Q, K, V),
    "three dimensions": attention((2, 5, 7), (2, 11, 7), (2, 11, 3)),
    "two dimensions": attention((5, 7), (11, 7), (11, 3)),
    "five dimensions": attention((2, 3, 2, 5, 7), (2, 3, 2, 11, 7), (2, 3, 2, 11, 7)),
    "wider values": attention(Q, K, (2, 3, 11, 13)),
    "causal": attention(Q, K, V, is_causal=True),
    "causal, wider values": attention(Q, K, (2, 3, 11, 13), is_causal=True),
    "scale": attention(Q, K, V, scale=0.3),
    "grouped queries": attention((2, 6, 5, 7), (2, 3, 11, 7), (2, 3, 11, 7), enable_gqa=True),
    "grouped queries, wider values": attention(
        (2, 6, 5, 7), (2, 3, 11, 7), (2, 3, 11, 13), enable_gqa=True
    ),
    "one head of keys": attention((2, 6, 5, 7), (2, 1, 11, 7), (2, 1, 11, 7)),
    "one head of queries": attention((2, 1, 5, 7), (2, 6, 11, 7), (2, 6, 11, 7)),
    "one head of queries and keys": attention((2, 1, 5, 7), (2, 1, 11, 7), (2, 6, 11, 7)),
    "one head of keys and values for grouped queries": attention(
        (2, 6, 5, 7), (2, 1, 11, 7), (2, 1, 11, 7), enable_gqa=True
    ),
    "one head of values": attention((2, 6, 5, 7), (2, 6, 11, 7), (2, 1, 11, 13)),
    "bool mask": masked(lambda m: m > 0),
    "bool mask that hides everything": masked(hidden),
    "float mask": masked(lambda m: m),
    "float mask with -inf": masked(lambda m: torch.where(hidden(m), m, -INF)),
    "constant mask": attention(Q, K, V, attn_mask=torch.arange(55).view(5, 11) % 3 != 0),
    "constant float mask": attention(Q, K, V, attn_mask=torch.arange(55.0).view(5, 11) % 3),
    "constant mask that hides everything": attention(
        Q, K, V, attn_mask=torch.arange(5).view(5, 1).expand(5, 11) > 1
    ),
    "dynamic features": attention(
        Q,
        K,
        (2, 3, 11, 13),
        dynamic_shapes=tuple(dict.fromkeys((0, 3), torch.export.Dim.AUTO) for _ in "qkv"),
    ),
    "self attention": module(SelfAttention, (2, 5, 6)),
    "self attention, causal, dynamic": module(
        lambda: SelfAttention(causal=True),
        (2, 5, 6),
        dynamic_shapes=({0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO},),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_attention(name: str) -> None:
    check(CASES[name])
