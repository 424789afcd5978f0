"""Scaled dot product attention, where Keras has an op for it.

Where it has none, `ir_passes/decompose_attention.py` has taken the op apart before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.keras_graph.operand import Operand
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
    """Queries t, keys and values s and a mask t s that broadcasts.

    Where it is causal the order of positions matters.

    None for other ranks, which are left whole only where they are refused.
    """
    if args["query"].type.rank != 4:
        return None
    t, s = "t", "s"
    if args.get("is_causal"):
        t, s = "t'", "s'"
    of_query, of_key, of_value = name_heads(args)
    query = order.format(heads=of_query, position=t)
    key = order.format(heads=of_key, position=s)
    value = order.format(heads=of_value, position=s)
    mask = mask_axes(args, ["b", of_query, t, s])
    return f"{query}, {key}, {value}, {mask} -> {query}"


def name_heads(args: Mapping[str, Any]) -> tuple[str, str, str]:
    """The heads of queries, keys and values; with `enable_gqa` g queries share those of others."""
    query, key, value = "h", "h", "h"
    if args["key"].type.shape[-3] == 1:
        key = "1"
    if args["value"].type.shape[-3] == 1:
        value = "1"
    if args.get("enable_gqa") and (key, value) != ("1", "1"):
        query = "(h g)"
    return query, key, value


def mask_axes(args: Mapping[str, Any], names: list[str]) -> str:
    """The dimensions of the mask: aligned at the right, of size one where they broadcast."""
    mask = args.get("attn_mask")
    if mask is None:
        return ""
    own = names[len(names) - mask.type.rank :]
    pairs = zip(own, mask.type.shape, strict=True)
    return " ".join("1" if size == 1 else name for name, size in pairs)


@lowering(aten.scaled_dot_product_attention.default, torch=attention_torch, keras=attention_keras)
def attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """`keras.ops.dot_product_attention`; with a mask that is computed, or other ranks, its parts.

    The scale is a factor of the queries: as an argument TensorFlow rounds it to float32.
    """
    require_inactive(dropout_p > 0)
    heads, size = query.shape[-2:]
    key, value = repeat_heads(key, heads), repeat_heads(value, heads)
    if scale is None:
        scale = size**-0.5
    return ops.dot_product_attention(
        query * scale, key, value, **mask_argument(attn_mask), scale=1.0, is_causal=is_causal
    )


def repeat_heads(x: Tensor, heads: int) -> Tensor:
    """Keys or values (n, s, heads, d) that several queries share, once for each."""
    own = x.shape[-2]
    if own == heads:
        return x
    return ops.repeat(x, heads // own, axis=-2)


def mask_argument(mask: Operand | None) -> dict[str, Operand]:
    """The mask of rank 4, by the name that Keras has for its dtype."""
    if mask is None:
        return {}
    name = "mask" if mask.is_bool else "bias"
    return {name: mask.expand_dims(*range(4 - mask.ndim))}
