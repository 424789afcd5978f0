"""`nn.MultiheadAttention` stays whole where Keras's `MultiHeadAttention` is exactly the same; elsewhere it is its ops.

The same are attention without masks, learnt rows (`add_bias_kv`) or a row of zeros (`add_zero_attn`). With a mask they
differ: a query that may attend to nothing gives NaN in PyTorch, and a mean of all values in Keras.
"""

from __future__ import annotations

import inspect
from collections.abc import Container, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import multi_head_attention_forward
from torch.overrides import TorchFunctionMode

from torch2keras.custom_ops.library import library

library.define(  # type: ignore[no-untyped-call]
    "multi_head_attention(Tensor query, Tensor key, Tensor value, Tensor q_kernel, Tensor k_kernel, Tensor v_kernel,"
    " Tensor out_kernel, Tensor? q_bias, Tensor? k_bias, Tensor? v_bias, Tensor? out_bias, int num_heads,"
    " float dropout_p) -> (Tensor, Tensor)",
    tags=torch.Tag.pt2_compliant_tag,
)


multi_head_attention = torch.ops.torch2keras.multi_head_attention
"""Queries (T, N, E), keys (S, N, F) and values (S, N, G), kernels as those of `linear`; the result (T, N, E) and the
weights of each head (N, heads, T, S)."""


def shapes(
    query: Tensor,
    key: Tensor,
    value: Tensor,  # noqa: ARG001
    q_kernel: Tensor,  # noqa: ARG001
    k_kernel: Tensor,  # noqa: ARG001
    v_kernel: Tensor,  # noqa: ARG001
    out_kernel: Tensor,
    q_bias: Tensor | None,  # noqa: ARG001
    k_bias: Tensor | None,  # noqa: ARG001
    v_bias: Tensor | None,  # noqa: ARG001
    out_bias: Tensor | None,  # noqa: ARG001
    num_heads: int,
    dropout_p: float,  # noqa: ARG001
) -> tuple[Tensor, Tensor]:
    """The fake kernel."""
    t, n, _ = query.shape
    return query.new_empty(t, n, out_kernel.shape[0]), query.new_empty(
        n, num_heads, t, key.shape[0]
    )


def compute(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    q_kernel: Tensor,
    k_kernel: Tensor,
    v_kernel: Tensor,
    out_kernel: Tensor,
    q_bias: Tensor | None,
    k_bias: Tensor | None,
    v_bias: Tensor | None,
    out_bias: Tensor | None,
    num_heads: int,
    dropout_p: float,
) -> tuple[Tensor, Tensor]:
    """The layer by PyTorch's own function."""
    biases = [bias for bias in (q_bias, k_bias, v_bias) if bias is not None]
    y, weights = multi_head_attention_forward(
        query, key, value, query.shape[-1], num_heads, None, torch.cat(biases) if biases else None, None, None,
        False, dropout_p, out_kernel, out_bias, training=False, use_separate_proj_weight=True,  # noqa: FBT003
        q_proj_weight=q_kernel, k_proj_weight=k_kernel, v_proj_weight=v_kernel, average_attn_weights=False,
    )  # fmt: skip
    assert weights is not None
    return y, weights


library.impl("multi_head_attention", compute, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]


torch.library.register_fake("torch2keras::multi_head_attention", shapes, lib=library)


SIGNATURE = inspect.signature(multi_head_attention_forward)


ABSENT = ("bias_k", "bias_v", "key_padding_mask", "attn_mask", "static_k", "static_v")


class Whole(TorchFunctionMode):
    """Within, attention that is Keras's runs by `torch2keras::multi_head_attention`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is not multi_head_attention_forward:
            return func(*args, **kwargs)
        bound = SIGNATURE.bind(*args, **kwargs)
        bound.apply_defaults()
        own = {id(parameter) for parameter in self.module.parameters()}
        return whole(bound.arguments) if is_keras(bound.arguments, own) else func(*args, **kwargs)


def is_keras(given: Mapping[str, Any], parameters: Container[int]) -> bool:
    """Whether Keras's layer is exactly this attention, and can hold its weights, which are no computed ones."""
    plain = given["query"].dim() == 3 and not given["add_zero_attn"] and not given["is_causal"]
    packed = [given["q_proj_weight"], given["k_proj_weight"], given["v_proj_weight"]]
    held = packed if given["use_separate_proj_weight"] else [given["in_proj_weight"]]
    biased = {given["in_proj_bias"] is None, given["out_proj_bias"] is None}
    learnt = all(id(weight) in parameters for weight in (*held, given["out_proj_weight"]))
    return plain and learnt and len(biased) == 1 and all(given[name] is None for name in ABSENT)


def whole(given: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
    """The call as one op."""
    separate = [given["q_proj_weight"], given["k_proj_weight"], given["v_proj_weight"]]
    kernels = separate if given["use_separate_proj_weight"] else given["in_proj_weight"].chunk(3)
    biases = [None] * 3 if given["in_proj_bias"] is None else given["in_proj_bias"].chunk(3)
    operands = [
        given["query"],
        given["key"],
        given["value"],
        *kernels,
        given["out_proj_weight"],
        *biases,
    ]
    y, weights = multi_head_attention(
        *operands, given["out_proj_bias"], given["num_heads"], given["dropout_p"]
    )
    if not given["need_weights"]:
        return y, None
    return y, weights.mean(1) if given["average_attn_weights"] else weights


def whole_attention(module: nn.Module) -> AbstractContextManager[Any]:
    """What keeps a module's multi-head attention whole; nothing for a module that has none."""
    return (
        Whole(module)
        if any(isinstance(m, nn.MultiheadAttention) for m in module.modules())
        else nullcontext()
    )
