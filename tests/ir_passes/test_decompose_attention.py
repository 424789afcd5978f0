"""Which attention stays whole, and what the rest becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention as attention

from stages import graph_of, ops_of
from torch2keras.custom_ops.training_noise import dropped_attention
from torch2keras.ir_passes.decompose_attention import decompose_attention
from torch2keras.ir_passes.fold_constants import fold_constants

Q, K, V, WIDE = (2, 3, 5, 7), (2, 3, 11, 7), (2, 3, 11, 7), (2, 3, 11, 13)
BARE = ["mul", "transpose", "matmul", "softmax", "matmul"]
CAUSAL = ["mul", "transpose", "matmul", "ones_like", "tril", "where", "softmax", "where", "matmul"]
SOME = torch.arange(55.0).view(5, 11)

CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], list[str] | None]] = {
    "four dimensions": (attention, (Q, K, V), None),
    "one head of keys": (attention, (Q, (2, 1, 11, 7), V), None),
    "causal": (lambda q, k, v: attention(q, k, v, is_causal=True), (Q, K, V), None),
    "a constant mask": (lambda q, k, v: attention(q, k, v, SOME % 3 != 0), (Q, K, V), None),
    "active dropout, which is refused": (
        lambda q, k, v: attention(q, k, v, dropout_p=0.5),
        (Q, K, WIDE),
        None,
    ),
    "wider values": (attention, (Q, K, WIDE), BARE),
    "dropped in training": (
        lambda q, k, v: dropped_attention(q, k, v, None, 0.3, False, None, False),
        (Q, K, V),
        ["mul", "transpose", "matmul", "softmax", "dropout", "matmul"],
    ),
    "five dimensions": (attention, ((2, 3, 2, 5, 7), (2, 3, 2, 11, 7), (2, 3, 2, 11, 7)), BARE),
    "keys for all batches": (attention, (Q, (1, 3, 11, 7), (1, 3, 11, 7)), BARE),
    "one head of queries": (attention, ((2, 1, 5, 7), K, V), BARE),
    "one head of queries and keys": (attention, ((2, 1, 5, 7), (2, 1, 11, 7), V), BARE),
    "causal, wider values": (
        lambda q, k, v: attention(q, k, v, is_causal=True),
        (Q, K, WIDE),
        CAUSAL,
    ),
    "a constant mask, wider values": (
        lambda q, k, v: attention(q, k, v, SOME),
        (Q, K, WIDE),
        ["mul", "transpose", "matmul", "add", "softmax", "matmul"],
    ),
    "grouped queries, wider values": (
        lambda q, k, v: attention(q, k, v, enable_gqa=True),
        ((2, 6, 5, 7), K, WIDE),
        ["repeat_interleave", "repeat_interleave", *BARE],
    ),
    "a mask that is computed": (
        lambda q, k, v: attention(q, k, v, q[..., :1] > 0),
        (Q, K, V),
        ["slice", "gt", "mul", "transpose", "matmul", "where", "softmax", "where", "matmul"],
    ),
    "a sum that is computed": (
        lambda q, k, v: attention(q, k, v, q[..., :1] * k[..., 0].unsqueeze(-2)),
        (Q, K, V),
        [
            "slice",
            "select",
            "unsqueeze",
            "mul",
            *BARE[:3],
            "eq",
            "all",
            "where",
            "add",
            "softmax",
            "where",
            "matmul",
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_parts(name: str) -> None:
    function, shapes, expected = CASES[name]
    graph = decompose_attention(fold_constants(graph_of(function, *shapes)))
    assert ops_of(graph) == (expected or ["scaled_dot_product_attention"])
