"""Queries, keys and values are moved together, with PyTorch's numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from deployed import deploy

LENGTH, HEADS, SIZE = 9, 3, 4
UNITS = HEADS * SIZE


class Attention(nn.Module):
    """Attention as the libraries write it, by how queries, keys and values are taken apart."""

    def __init__(self, way: str, *, is_causal: bool = False) -> None:
        super().__init__()
        self.way, self.is_causal = way, is_causal
        self.all, self.out = nn.Linear(UNITS, 3 * UNITS), nn.Linear(UNITS, UNITS)

    def take_apart(self, x: Tensor) -> list[Tensor]:
        joined = self.all(x)
        if self.way == "unbind":
            parts = joined.reshape(*x.shape[:2], 3, HEADS, SIZE).permute(2, 0, 3, 1, 4)
            return list(parts.unbind(0))
        if self.way == "heads first":
            parts = joined.reshape(*x.shape[:2], HEADS, 3, SIZE).permute(3, 0, 2, 1, 4)
            return list(parts.unbind(0))
        flat = joined.chunk(3, -1) if self.way == "chunk" else joined.split(UNITS, -1)
        return [part.view(*x.shape[:2], HEADS, SIZE).transpose(1, 2) for part in flat]

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.take_apart(x)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=self.is_causal)
        return self.out(y.transpose(1, 2).reshape(x.shape))


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("way", ["unbind", "chunk", "split"])
def test_parts_of_one_product_are_transposed_together(way: str, is_causal: bool) -> None:
    torch.manual_seed(0)
    found = deploy(Attention(way, is_causal=is_causal), torch.randn(2, LENGTH, UNITS)).operators
    assert (found["TRANSPOSE"], found["SPLIT"], found["BATCH_MATMUL"]) == (2, 1, 2)
    assert not {"UNPACK", "SELECT_V2"} & set(found)


def test_other_orders_give_the_same_numbers() -> None:
    torch.manual_seed(0)
    deploy(Attention("heads first"), torch.randn(2, LENGTH, UNITS))


class Swapped(Attention):
    """Keys that are queries, and a second use of the values: parts in no order of their own."""

    def forward(self, x: Tensor) -> Tensor:
        k, v, q = self.take_apart(x)
        y = functional.scaled_dot_product_attention(q, k * 0.5, v) + v.tanh()
        return y.transpose(1, 2).reshape(x.shape)


def test_parts_keep_their_order() -> None:
    torch.manual_seed(0)
    deploy(Swapped("chunk"), torch.randn(2, LENGTH, UNITS))


class Masked(Attention):
    """Attention to what is no padding."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        q, k, v = self.take_apart(x)
        mask = torch.arange(LENGTH) < lengths[:, None]
        scores = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        return scores.transpose(1, 2).reshape(x.shape)


def test_what_is_masked_has_no_weight() -> None:
    torch.manual_seed(0)
    deploy(Masked("chunk"), torch.randn(2, LENGTH, UNITS), torch.tensor([5, 7]))


class Crossed(nn.Module):
    """Queries of one sequence, keys and values of another one."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.kv = nn.Linear(UNITS, UNITS), nn.Linear(UNITS, 2 * UNITS)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        parts = [self.q(x), *self.kv(other).chunk(2, -1)]
        q, k, v = (part.unflatten(-1, (HEADS, SIZE)).transpose(1, 2) for part in parts)
        y = functional.scaled_dot_product_attention(q, k, v, scale=1 / math.sqrt(5))
        return y.transpose(1, 2).flatten(2)


def test_another_sequence_is_attended_to() -> None:
    torch.manual_seed(0)
    deploy(Crossed(), torch.randn(2, LENGTH, UNITS), torch.randn(2, 5, UNITS))


class Layer(nn.Module):
    """PyTorch's layer on one sequence, or on two."""

    def __init__(self, *, bias: bool = True, is_self: bool = True) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(UNITS, HEADS, bias=bias, batch_first=True)
        if bias:
            nn.init.normal_(self.layer.in_proj_bias)
        self.is_self = is_self

    def forward(self, x: Tensor) -> Tensor:
        other = x if self.is_self else x.flip(1)
        return self.layer(x, other, other, need_weights=False)[0]


@pytest.mark.parametrize("bias", [True, False])
def test_the_layer_has_one_product(bias: bool) -> None:
    torch.manual_seed(0)
    found = deploy(Layer(bias=bias), torch.randn(2, LENGTH, UNITS)).operators
    assert (found["FULLY_CONNECTED"], found["TRANSPOSE"], found["BATCH_MATMUL"]) == (2, 2, 2)


def test_the_layer_on_two_sequences_is_keras() -> None:
    torch.manual_seed(0)
    deploy(Layer(is_self=False), torch.randn(2, LENGTH, UNITS))
