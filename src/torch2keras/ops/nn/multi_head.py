"""`nn.MultiheadAttention` as Keras's layer."""

from __future__ import annotations

from torch2keras.custom_ops.multi_head_attention import multi_head_attention
from torch2keras.declarations.registry import lowering
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Recorded, Tensor, call, layers, ops
from torch2keras.ops.blocks.products import dense
from torch2keras.workarounds.add_as_bias import is_misread_as_bias


@lowering(
    multi_head_attention.default,
    torch="t n e, s n f, s n g, a' e, a' f, c' g, o c', a', a', c', o -> t n o, n h' t s",
    keras="n t e, n s f, n s g, e a', f a', g c', c' o, a', a', c', o -> n t o, n h' t s",
)
def multi_head(
    query, key, value, q_kernel, k_kernel, v_kernel, out_kernel,
    q_bias, k_bias, v_bias, out_bias, num_heads, dropout_p, *, context,
):  # fmt: skip
    """`MultiHeadAttention`; its parts where Keras 3.15.1 has its biases wrong, or the shape of the weights.

    Biases of heads of one number are added along the time where that is as long as there are heads. Weights that are
    read have another shape where queries and keys are not equally many.
    """
    projected = [(query, q_kernel, q_bias), (key, k_kernel, k_bias), (value, v_kernel, v_bias)]
    size = q_kernel.shape[1] // num_heads
    misread = q_bias is not None and is_misread_as_bias(
        (None, None, num_heads, size), (num_heads, size)
    )
    if misread or (context.used[1] and query.shape[1] != key.shape[1]):
        return in_parts(projected, out_kernel, out_bias, num_heads)
    layer = layers.MultiHeadAttention(
        num_heads=num_heads, key_dim=size, dropout=dropout_p, use_bias=bool(q_bias)
    )
    weights = {
        "output_dense.kernel": out_kernel.reshape(num_heads, size, -1),
        "output_dense.bias": out_bias,
    }
    for name, (_, kernel, bias) in zip(("query", "key", "value"), projected, strict=True):
        weights[f"{name}_dense.kernel"] = kernel.reshape(-1, num_heads, size)
        weights[f"{name}_dense.bias"] = bias and bias.reshape(num_heads, size)
    keys = () if key is value else (key,)
    result = call(
        layer,
        query,
        value,
        *keys,
        **({"return_attention_scores": True} if context.used[1] else {}),
        **weights,
    )
    return result if context.used[1] else (result, None)


def in_parts(
    projected: list[tuple[Tensor, Weight, Weight | None]],
    out_kernel: Weight,
    out_bias: Weight | None,
    num_heads: int,
) -> tuple[Recorded, Recorded]:
    """The attention, and the weights of each head."""
    query, key, value = (layers.Reshape(target_shape=(-1, num_heads, k.shape[1] // num_heads))(dense(x, k, b))
                         for x, k, b in projected)  # fmt: skip
    weights = layers.Softmax(axis=-1)(
        ops.einsum("nthd,nshd->nhts", query * query.shape[-1] ** -0.5, key)
    )
    joined = layers.Reshape(target_shape=(-1, out_kernel.shape[0]))(
        ops.einsum("nhts,nshd->nthd", weights, value)
    )
    return dense(joined, out_kernel, out_bias), weights
