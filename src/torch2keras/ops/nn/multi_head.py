"""`nn.MultiheadAttention` as Keras's layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch2keras.custom_ops.multi_head_attention import multi_head_attention
from torch2keras.declarations.registry import lowering
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Recorded, Tensor, call, layers, ops
from torch2keras.ops.blocks.products import apply_dense
from torch2keras.workarounds.add_as_bias import is_misread_as_bias


@dataclass(frozen=True)
class Projection:
    """A linear map of (n, t, features) whose units are `heads` times `size`."""

    x: Tensor
    kernel: Operand
    bias: Operand | None
    heads: int

    @property
    def size(self) -> int:
        """The units of one head."""
        return self.kernel.shape[1] // self.heads


@lowering(
    multi_head_attention.default,
    torch="t n e, s n f, s n g, a' e, a' f, c' g, o c', a', a', c', o -> t n o, n h' t s",
    keras="n t e, n s f, n s g, e a', f a', g c', c' o, a', a', c', o -> n t o, n h' t s",
)
def multi_head(
    query, key, value, q_kernel, k_kernel, v_kernel, out_kernel,
    q_bias, k_bias, v_bias, out_bias, num_heads, dropout_p, *, context,
):  # fmt: skip
    """`MultiHeadAttention`; its parts where the model computes a weight of it.

    So too where that layer of Keras 3.15.1 is wrong.
    """
    inputs = {
        "query": Projection(query, q_kernel, q_bias, num_heads),
        "key": Projection(key, k_kernel, k_bias, num_heads),
        "value": Projection(value, v_kernel, v_bias, num_heads),
    }
    needs_weights = context.used[1]
    held = (q_kernel, k_kernel, v_kernel, out_kernel, q_bias, k_bias, v_bias, out_bias)
    is_computed = any(weight is not None and not weight.is_constant for weight in held)
    if is_computed or has_wrong_layer(inputs["query"], inputs["key"], needs_weights=needs_weights):
        return attend_in_parts(inputs, out_kernel, out_bias)
    weights = {**name_weights(inputs), **name_output_weights(out_kernel, out_bias, num_heads)}
    result = attend_by_layer(inputs, weights, dropout_p, needs_weights=needs_weights)
    return result if needs_weights else (result, None)


def has_wrong_layer(query: Projection, key: Projection, *, needs_weights: bool) -> bool:
    """Whether the layer of Keras 3.15.1 is not the module.

    It adds biases of heads of one number along the time where that is as long as there are heads.
    And weights that are read have another shape where queries and keys are not equally many.
    """
    if needs_weights and query.x.shape[1] != key.x.shape[1]:
        return True
    heads = query.heads, query.size
    return query.bias is not None and is_misread_as_bias((None, None, *heads), heads)


def name_weights(inputs: Mapping[str, Projection]) -> dict[str, Operand | None]:
    """The weights of the projections by the names of the layer's attributes."""
    weights: dict[str, Operand | None] = {}
    for name, given in inputs.items():
        weights[f"{name}_dense.kernel"] = given.kernel.reshape(-1, given.heads, given.size)
        if given.bias is not None:
            weights[f"{name}_dense.bias"] = given.bias.reshape(given.heads, given.size)
    return weights


def name_output_weights(
    kernel: Operand, bias: Operand | None, heads: int
) -> dict[str, Operand | None]:
    """The weights behind the attention by the names of the layer's attributes."""
    size = kernel.shape[0] // heads
    return {"output_dense.kernel": kernel.reshape(heads, size, -1), "output_dense.bias": bias}


def attend_by_layer(
    inputs: Mapping[str, Projection],
    weights: Mapping[str, Operand | None],
    dropout: float,
    *,
    needs_weights: bool,
) -> Recorded:
    """A call of the layer, which gives the weights of attention too where they are needed."""
    query, key, value = inputs["query"], inputs["key"].x, inputs["value"].x
    kernel = weights["output_dense.kernel"]
    assert kernel is not None, "a projection has a kernel"
    config: dict[str, Any] = {}
    if kernel.shape[-1] != query.x.shape[-1]:
        config["output_shape"] = kernel.shape[-1]
    layer = layers.MultiHeadAttention(
        num_heads=query.heads,
        key_dim=query.size,
        dropout=dropout,
        use_bias=query.bias is not None,
        **config,
    )
    keys = () if key is value else (key,)
    options: dict[str, Any] = {"return_attention_scores": True} if needs_weights else {}
    return call(layer, query.x, value, *keys, **options, **weights)


def attend_in_parts(
    inputs: Mapping[str, Projection], out_kernel: Operand, out_bias: Operand | None
) -> tuple[Tensor, Tensor]:
    """The attention, (n, t, units), and the weights of each head, (n, heads, t, s)."""
    query, key, value = [project(given) for given in inputs.values()]
    scores = ops.einsum("nthd,nshd->nhts", query * query.shape[-1] ** -0.5, key)
    weights = layers.Softmax(axis=-1)(scores)
    heads = ops.einsum("nhts,nshd->nthd", weights, value)
    joined = layers.Reshape(target_shape=(-1, out_kernel.shape[0]))(heads)
    return apply_dense(joined, out_kernel, out_bias), weights


def project(given: Projection) -> Tensor:
    """The projection as (n, t, heads, size)."""
    flat = apply_dense(given.x, given.kernel, given.bias)
    return layers.Reshape(target_shape=(-1, given.heads, given.size))(flat)
