"""Scaled dot product attention, where Keras has an op for it (`ir_passes/decompose_attention.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks.refusals import require_inactive

aten = torch.ops.aten


def attention_torch(args: Mapping[str, Any]) -> str | None:
    """Heads before the positions."""
    return attention_axes(args, "b {heads} {position} d")


def attention_keras(args: Mapping[str, Any]) -> str | None:
    """Heads behind the positions, as Keras has them."""
    return attention_axes(args, "b {position} {heads} d")


def attention_axes(args: Mapping[str, Any], order: str) -> str | None:
    """Queries t, keys and values s and a mask t s that broadcasts. Where it is causal their order matters.

    None for other ranks, which are left whole only where they are refused.
    """
    if args["query"].type.rank != 4:
        return None
    heads = [args[name].type.shape[-3] for name in ("key", "value")]
    wide, shared = ("(h g)", "h") if args.get("enable_gqa") and heads != [1, 1] else ("h", "h")
    t, s = ("t'", "s'") if args.get("is_causal") else ("t", "s")
    of_key, of_value = ("1" if number == 1 else shared for number in heads)
    parts = ((wide, t), (of_key, s), (of_value, s), (wide, t))
    query, key, value, result = (
        order.format(heads=heads, position=position) for heads, position in parts
    )
    return f"{query}, {key}, {value}, {mask_axes(args, ['b', wide, t, s])} -> {result}"


def mask_axes(args: Mapping[str, Any], names: list[str]) -> str:
    """The mask's dimensions, which are aligned at the right and of size one where they broadcast."""
    shape = args["attn_mask"].type.shape if args.get("attn_mask") is not None else ()
    return " ".join(
        "1" if size == 1 else name
        for name, size in zip(names[len(names) - len(shape) :], shape, strict=True)
    )


@lowering(aten.scaled_dot_product_attention.default, torch=attention_torch, keras=attention_keras)
def attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """`keras.ops.dot_product_attention`; with a mask that is computed, or other ranks, its parts.

    The scale is a factor of the queries: as an argument TensorFlow rounds it to float32.
    """
    require_inactive(dropout_p > 0)
    key, value = (with_heads(x, query.shape[-2]) for x in (key, value))
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    masks = {} if attn_mask is None else {mask_argument(attn_mask): of_rank_4(attn_mask)}
    return ops.dot_product_attention(query, key, value, **masks, scale=1.0, is_causal=is_causal)


def with_heads(x: Tensor, heads: int) -> Tensor:
    """Keys or values that several queries share, once for each."""
    return x if x.shape[-2] == heads else ops.repeat(x, heads // x.shape[-2], axis=-2)


def mask_argument(mask: Weight) -> str:
    """What Keras calls it."""
    return "mask" if mask.dtype == "bool" else "bias"


def of_rank_4(mask: Weight) -> Weight:
    """With ones for the dimensions that it broadcasts to."""
    return mask.reshape(*(1,) * (4 - mask.ndim), *mask.shape)
