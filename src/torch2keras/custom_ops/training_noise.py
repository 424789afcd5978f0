"""Operators that do in training alone what stock Keras has a layer for; in eval mode, nothing.

torch2keras::shared_dropout   a dropout whose decisions are shared along dimensions, as in
                              stochastic depth (https://arxiv.org/abs/1603.09382)
torch2keras::gaussian_noise   normal noise that is added
torch2keras::dropped_attention  attention whose weights are dropped
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from torch2keras.custom_ops.library import define_op


def copy_input(input: Tensor, *_: object) -> Tensor:  # noqa: A002 - PyTorch's name
    """Return a copy of the first operand."""
    return input.clone()


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    dropout_p: float,  # noqa: ARG001 - of training
    is_causal: bool,  # noqa: FBT001 - an operator's
    scale: float | None,
    enable_gqa: bool,  # noqa: FBT001 - as above
) -> Tensor:
    """Return what attention gives in eval mode."""
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask, 0.0, is_causal, scale=scale, enable_gqa=enable_gqa
    )


shared_dropout = define_op(
    "shared_dropout(Tensor input, float p, int[] dims) -> Tensor", copy_input, copy_input
)
"""Zeros a share `p` and scales the rest by 1/(1-p), one decision for each index into `dims`."""

gaussian_noise = define_op(
    "gaussian_noise(Tensor input, float stddev) -> Tensor", copy_input, copy_input
)

dropped_attention = define_op(
    "dropped_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask, float dropout_p,"
    " bool is_causal, float? scale, bool enable_gqa) -> Tensor",
    attend,
    attend,
)
"""`aten.scaled_dot_product_attention`, whose weights are dropped in training."""
