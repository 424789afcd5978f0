"""nn.MultiheadAttention and the nn.Transformer family: Keras's layer where it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import torch2keras as t2k
from op_case import Case, check, module

AUTO = torch.export.Dim.AUTO
BLOCKED = torch.ones(7, 11, dtype=torch.bool).triu(5)


def biased(attention: nn.MultiheadAttention) -> nn.MultiheadAttention:
    """With biases that tell where they are added: PyTorch's begin as zeros."""
    for name, parameter in attention.named_parameters():
        if "bias" in name:
            nn.init.normal_(parameter)
    return attention


class Attention(nn.Module):
    """One layer, called in one way."""

    def __init__(self, call: Mapping[str, Any] | None = None, **config: Any) -> None:
        super().__init__()
        self.attention, self.call = biased(nn.MultiheadAttention(15, 5, **config)), call or {}

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Any:
        result, weights = self.attention(query, key, value, **self.call)
        return result if weights is None or not self.call else (result, weights)


class Itself(nn.Module):
    """Self-attention, twice by the same weights."""

    def __init__(self, call: Mapping[str, Any] | None = None, heads: int = 3) -> None:
        super().__init__()
        self.attention = biased(nn.MultiheadAttention(15, heads, batch_first=True, dropout=0.5))
        self.call = call or {}

    def forward(self, x: Tensor) -> Any:
        first, _ = self.attention(x, x, x, need_weights=False)
        return self.attention(first, first, first, **self.call)


class Causal(nn.Module):
    """The mask is made of the length."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Transformer(24, 3, 1, 1, 52, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        result: Tensor = self.transformer(source, target, tgt_mask=mask, tgt_is_causal=True)
        return result


def encoder(**config: Any) -> nn.Module:
    return nn.TransformerEncoder(
        nn.TransformerEncoderLayer(24, 3, 52, **config), 2, enable_nested_tensor=False
    )


BATCH = ((2, 7, 15), (2, 11, 15), (2, 11, 15))
SEQUENCE = ((7, 2, 15), (11, 2, 15), (11, 2, 15))
WHOLE: dict[str, tuple[Case, int]] = {
    "batch first": (module(lambda: Attention(batch_first=True), *BATCH), 1),
    "sequence first": (module(lambda: Attention(), *SEQUENCE), 1),
    "no bias": (module(lambda: Attention(bias=False, batch_first=True), *BATCH), 1),
    "widths of their own": (
        module(
            lambda: Attention(kdim=13, vdim=17, batch_first=True),
            (2, 7, 15), (2, 11, 13), (2, 11, 17),
        ),
        1,
    ),
    "self": (module(Itself, (2, 7, 15)), 2),
    "self, any length": (module(Itself, (2, 7, 15), dynamic_shapes=({0: AUTO, 1: AUTO},)), 2),
    "self, with weights": (module(lambda: Itself({"average_attn_weights": False}), (2, 7, 15)), 2),
    "encoder": (module(lambda: encoder(batch_first=True), (2, 7, 24)), 2),
    "encoder, sequence first, norm first": (
        module(lambda: encoder(norm_first=True), (7, 2, 24)), 2,
    ),
    "decoder": (
        module(
            lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(24, 3, 52), 2),
            (7, 2, 24), (5, 2, 24),
        ),
        4,
    ),
    "transformer": (module(lambda: nn.Transformer(24, 3, 1, 1, 52), (7, 2, 24), (5, 2, 24)), 3),
    "causal": (module(Causal, (2, 7, 24), (2, 5, 24)), 2),
}  # fmt: skip
OPS: dict[str, Case] = {
    "weights of other lengths": module(
        lambda: Attention({"need_weights": True}, batch_first=True), *BATCH
    ),
    "weights of each head": module(
        lambda: Attention({"average_attn_weights": False}, batch_first=True), *BATCH
    ),
    "heads of one number, as many as times": module(lambda: Itself(heads=15), (2, 15, 15)),
    "heads of one number, any length": module(
        lambda: Itself(heads=15), (2, 7, 15), dynamic_shapes=({0: AUTO, 1: AUTO},)
    ),
    "learnt rows": module(
        lambda: Attention(add_bias_kv=True, batch_first=True), *BATCH, transposes=1
    ),
    "a row of zeros": module(
        lambda: Attention(add_zero_attn=True, batch_first=True), *BATCH, transposes=1
    ),
    "unbatched": module(lambda: Attention(), (7, 15), (11, 15), (11, 15), transposes=1),
    "mask": module(
        lambda: Attention({"attn_mask": BLOCKED, "need_weights": False}, batch_first=True), *BATCH
    ),
    "mask, weights": module(
        lambda: Attention({"attn_mask": BLOCKED.float() * -3, "need_weights": True}),
        *SEQUENCE,
        transposes=2,
    ),
    "mask of each head": module(
        lambda: Attention({"attn_mask": BLOCKED.expand(10, -1, -1)}),
        *SEQUENCE,
        transposes=2,
        dynamic_shapes=({}, {}, {}),
    ),
    "padding": module(
        lambda: Attention(
            {"key_padding_mask": BLOCKED[:2], "need_weights": False}, batch_first=True
        ),
        *BATCH,
    ),
}


def layers_of(converted: t2k.Converted) -> int:
    targets = [call.target for call in converted.conversion.lowered.graph.calls]
    return targets.count("layers.MultiHeadAttention")


@pytest.mark.parametrize("name", WHOLE)
def test_as_a_layer(name: str) -> None:
    case, count = WHOLE[name]
    converted = check(case)
    own = converted.conversion.module.state_dict()
    assert layers_of(converted) == count
    assert all(torch.equal(t, own[path]) for path, t in converted.state_dict().items())


@pytest.mark.parametrize("name", OPS)
def test_as_ops(name: str) -> None:
    assert layers_of(check(OPS[name])) == 0


def test_dropout_is_the_layer_s() -> None:
    converted = t2k.convert(Itself().eval(), (torch.randn(2, 7, 15),))
    assert {layer.dropout for layer in converted.model.layers if hasattr(layer, "num_heads")} == {
        0.5
    }
