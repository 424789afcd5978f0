"""Scaled dot product attention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from torch2keras.errors import LoweringError
from torch2keras.keras_graph import Weight
from torch2keras.ops.dropout import require_inactive
from torch2keras.recorder import Tensor, layers, ops
from torch2keras.registry import lowering

aten = torch.ops.aten

BATCH = {2: "", 3: "b", 4: "b", 5: "a b"}
"""By the rank of the queries the dimensions before (heads, positions, features); heads stand from rank 4 on."""


def attention_torch(args: Mapping[str, Any]) -> str | None:
    """Heads before the positions."""
    return attention_axes(args, "{batch} {heads} {position} {feature}")


def attention_keras(args: Mapping[str, Any]) -> str | None:
    """Heads behind the positions, as Keras has them."""
    return attention_axes(args, "{batch} {position} {heads} {feature}")


def attention_axes(args: Mapping[str, Any], order: str) -> str | None:
    """Queries t d, keys s d, values s e and a mask t s that broadcasts; None for other ranks.

    Where it is causal the order of the positions matters.
    """
    rank = args["query"].type.rank
    if rank not in BATCH or {args["key"].type.rank, args["value"].type.rank} != {rank}:
        return None
    own = "h" if rank > 3 else ""
    wide, shared = ("(h g)", "h") if own and args.get("enable_gqa") else (own, own)
    t, s = ("t'", "s'") if args.get("is_causal") else ("t", "s")
    of_key, of_value = ("1" if own and args[name].type.shape[-3] == 1 else shared for name in ("key", "value"))
    parts = ((wide, t, "d"), (of_key, s, "d"), (of_value, s, "e"), (wide, t, "e"))
    query, key, value, result = (
        order.format(batch=BATCH[rank], heads=heads, position=position, feature=feature)
        for heads, position, feature in parts
    )
    return f"{query}, {key}, {value}, {mask_axes(args, [*BATCH[rank].split(), wide, t, s])} -> {result}"


def mask_axes(args: Mapping[str, Any], names: list[str]) -> str:
    """The mask's dimensions, which are aligned at the right and of size one where they broadcast."""
    shape = args["attn_mask"].type.shape if args.get("attn_mask") is not None else ()
    present = [name for name in names if name]
    return " ".join(
        "1" if size == 1 else name for name, size in zip(present[len(present) - len(shape) :], shape, strict=True)
    )


@lowering(aten.scaled_dot_product_attention.default, torch=attention_torch, keras=attention_keras)
def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False, *, d):
    """`keras.ops.dot_product_attention`; with a mask that is computed, or other ranks, its parts.

    The scale is a factor of the queries: as an argument TensorFlow rounds it to float32.
    """
    require_inactive(dropout_p > 0)
    require_alike(query, key, value, pinned=d == ())
    if query.ndim > 3:  # with three dimensions the heads stand in place of the batch
        key, value = (with_heads(x, query.shape[-2]) for x in (key, value))
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    whole = attn_mask is None or (isinstance(attn_mask, Weight) and not hides_all(attn_mask))
    if query.ndim == 4 and value.shape[-1] == query.shape[-1] and whole:
        masks = {} if attn_mask is None else {mask_argument(attn_mask): of_rank_4(attn_mask)}
        return ops.dot_product_attention(query, key, value, **masks, scale=1.0, is_causal=is_causal)
    return in_parts(query, key, value, attn_mask, is_causal)


def with_heads(x: Tensor, heads: int) -> Tensor:
    """Keys or values that several queries share, once for each."""
    return x if x.shape[-2] == heads else ops.repeat(x, heads // x.shape[-2], axis=-2)


def require_alike(query: Tensor, key: Tensor, value: Tensor, *, pinned: bool) -> None:
    """Raises LoweringError where batches broadcast, or axes do not fit."""
    batches = {x.shape[:1] for x in (query, key, value) if x.ndim > 2}
    if pinned or len(batches) > 1:
        raise LoweringError(
            "attention whose queries, keys and values have different batches",
            [("next", "expand them to one batch before the call")],
        )


def hides_all(mask: Weight) -> bool:
    """Whether a constant mask leaves some query nothing to attend to."""
    values = mask.tensor()
    hidden = ~values if values.dtype is torch.bool else values == float("-inf")
    return bool(hidden.all(-1).any())


def mask_argument(mask: Weight) -> str:
    """What Keras calls it."""
    return "mask" if mask.dtype == "bool" else "bias"


def of_rank_4(mask: Weight) -> Weight:
    """With ones for the dimensions that it broadcasts to."""
    return mask.reshape(*(1,) * (4 - mask.ndim), *mask.shape)


def in_parts(query: Tensor, key: Tensor, value: Tensor, mask: Any, is_causal: bool) -> Tensor:
    """softmax(query keyT + mask) value; a query that may attend to nothing gives zeros, as PyTorch's does."""
    heads = "h" if query.ndim > 3 else ""
    batch = BATCH[query.ndim].replace(" ", "")
    scores = ops.einsum(f"{batch}t{heads}d,{batch}s{heads}d->{batch}{heads}ts", query, key)
    keep = ops.tril(ops.ones_like(scores, dtype="bool")) if is_causal else mask
    if keep is None:
        weights = layers.Softmax(axis=-1)(scores)
    elif keep.dtype == "bool":
        low = float(torch.finfo(getattr(torch, scores.dtype)).min)
        weights = ops.where(keep, layers.Softmax(axis=-1)(ops.where(keep, scores, low)), 0.0)
    else:
        dead = ops.all(ops.equal(keep, float("-inf")), axis=-1, keepdims=True)
        weights = ops.where(dead, 0.0, layers.Softmax(axis=-1)(scores + ops.where(dead, 0.0, keep)))
    return ops.einsum(f"{batch}{heads}ts,{batch}s{heads}e->{batch}t{heads}e", weights, value)
