"""`nn.MultiheadAttention` stays whole where Keras's `MultiHeadAttention` is exactly the same.

They are the same without masks, learnt rows (`add_bias_kv`) and a row of zeros (`add_zero_attn`);
elsewhere it is its ops. With a mask they differ: a query that may attend to nothing gives NaN in
PyTorch, and a mean of all values in Keras.
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

from torch2keras.custom_ops.library import define_op


def compute_attention(
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
    """Return the layer's result and weights, by PyTorch's own function."""
    biases = [bias for bias in (q_bias, k_bias, v_bias) if bias is not None]
    y, weights = multi_head_attention_forward(
        query, key, value, query.shape[-1], num_heads, None, torch.cat(biases) if biases else None,
        None, None, False, dropout_p, out_kernel, out_bias, training=False,  # noqa: FBT003
        use_separate_proj_weight=True, q_proj_weight=q_kernel, k_proj_weight=k_kernel,
        v_proj_weight=v_kernel, average_attn_weights=False,
    )  # fmt: skip
    assert weights is not None
    return y, weights


def fake_attention(
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
    """Return tensors of the results' shapes."""
    t, n, _ = query.shape
    y = query.new_empty(t, n, out_kernel.shape[0])
    return y, query.new_empty(n, num_heads, t, key.shape[0])


define_op(
    "multi_head_attention(Tensor query, Tensor key, Tensor value, "
    "Tensor q_kernel, Tensor k_kernel, Tensor v_kernel, Tensor out_kernel, "
    "Tensor? q_bias, Tensor? k_bias, Tensor? v_bias, Tensor? out_bias, "
    "int num_heads, float dropout_p) -> (Tensor, Tensor)",
    compute_attention,
    fake_attention,
)


multi_head_attention = torch.ops.torch2keras.multi_head_attention
"""The attention of queries (T, N, E), keys (S, N, F) and values (S, N, G); kernels as of `linear`.

It gives the result (T, N, E) and the weights of each head (N, heads, T, S)."""


SIGNATURE = inspect.signature(multi_head_attention_forward)


WITHOUT = ("bias_k", "bias_v", "key_padding_mask", "attn_mask", "static_k", "static_v")
"""Arguments that Keras's layer has no like of."""


class WholeAttention(TorchFunctionMode):
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
        if is_attention_of_keras(bound.arguments, set(map(id, self.module.parameters()))):
            return run_whole(bound.arguments)
        return func(*args, **kwargs)


def is_attention_of_keras(given: Mapping[str, Any], parameters: Container[int]) -> bool:
    """Whether Keras's layer is exactly this attention, and can hold its weights.

    `given` are the arguments of PyTorch's function, `parameters` the ids of the parameters that
    there are: what is computed no layer can hold.
    """
    if given["query"].dim() != 3 or given["add_zero_attn"] or given["is_causal"]:
        return False
    if any(given[name] is not None for name in WITHOUT):
        return False
    # A layer of Keras has biases everywhere or nowhere.
    if (given["in_proj_bias"] is None) != (given["out_proj_bias"] is None):
        return False
    kernels = [given["in_proj_weight"]]
    if given["use_separate_proj_weight"]:
        kernels = _separate_kernels(given)
    return all(id(kernel) in parameters for kernel in (*kernels, given["out_proj_weight"]))


def _separate_kernels(given: Mapping[str, Any]) -> list[Tensor]:
    return [given["q_proj_weight"], given["k_proj_weight"], given["v_proj_weight"]]


def run_whole(given: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
    """Return what PyTorch's function gives for these arguments, by one op."""
    if given["use_separate_proj_weight"]:
        kernels = _separate_kernels(given)
    else:
        kernels = given["in_proj_weight"].chunk(3)
    biases = [None] * 3
    if given["in_proj_bias"] is not None:
        biases = given["in_proj_bias"].chunk(3)
    y, weights = multi_head_attention(
        given["query"],
        given["key"],
        given["value"],
        *kernels,
        given["out_proj_weight"],
        *biases,
        given["out_proj_bias"],
        given["num_heads"],
        given["dropout_p"],
    )
    if not given["need_weights"]:
        return y, None
    return y, weights.mean(1) if given["average_attn_weights"] else weights


def keep_attention_whole(module: nn.Module) -> AbstractContextManager[Any]:
    """Return what keeps a module's attention whole; nothing for a module that has none."""
    if any(isinstance(part, nn.MultiheadAttention) for part in module.modules()):
        return WholeAttention(module)
    return nullcontext()
