"""Attention with few transposes: queries, keys and values are one product, and are moved as one.

Keras multiplies (n, l, heads, size) by `einsum`, which transposes each operand by itself, and has a
product for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from torch2keras.deployment_forms.passes.attention_passes import JOINED_DENSE, MASKED_ATTENTION
from torch2keras.deployment_forms.products import fold_normalization
from torch2keras.deployment_forms.rank4 import lower_rank
from torch2keras.deployment_forms.rules import rule, weight_reader
from torch2keras.keras_graph.graph import Call

HEADS_FIRST = (0, 2, 1, 3)
"""The order from (n, l, heads, size) to (n, heads, l, size), and back."""

EXCLUDED = -0.7 * float(np.finfo(np.float32).max)
"""The score of what is masked, as in Keras. Any other score vanishes beside it when it is added."""


class SplitPart(NamedTuple):
    """A tensor (n, l, heads, size) that is an equal part of the last dimension of another one."""

    split: tf.Operation
    number: int
    factor: float


@rule("ops.dot_product_attention")
def attend_to_parts(
    _call: Call,
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
) -> Any:
    """Attention of (n, l, heads, size); parts of one product are transposed together."""
    operands = list(map(lower_rank, (query, key, value)))
    if scale != 1.0 or operands[0].dtype != tf.float32:
        return NotImplemented
    if any(operand.shape[2] != operands[0].shape[2] for operand in operands):
        return NotImplemented
    biases = [] if bias is None else [bias]
    if mask is not None:
        biases.append(exclude(mask))
    if is_causal:
        length, reach = operands[0].shape[1], operands[1].shape[1]
        biases.append(exclude(np.tri(length, reach, dtype=bool)[None, None]))
    heads = split_together(operands)
    if heads is None:
        heads = [tf.transpose(operand, HEADS_FIRST) for operand in operands]
    return attend_heads(heads, biases)


@rule(MASKED_ATTENTION)
def attend_where_kept(_call: Call, query: Any, key: Any, value: Any, mask: Any) -> Any:
    """Attention of (n, l, heads, size) by sums and products, zero where the mask leaves no key."""
    operands = list(map(lower_rank, (query, key, value)))
    heads = split_together(operands)
    if heads is None:
        heads = [tf.transpose(operand, HEADS_FIRST) for operand in operands]
    weights = weigh_keys(heads, [exclude(mask)])
    if not isinstance(mask, np.ndarray) or not mask.any(-1).all():
        weights = weights * tf.cast(mask, tf.float32)
    return tf.transpose(tf.matmul(weights, heads[2]), HEADS_FIRST)


def exclude(mask: Any) -> Any:
    """Return what is added to the scores: zero where the mask holds."""
    if isinstance(mask, np.ndarray):
        return np.where(mask, 0.0, EXCLUDED).astype("float32")
    return (1.0 - tf.cast(mask, tf.float32)) * EXCLUDED


def attend_heads(heads: Sequence[tf.Tensor], biases: Sequence[Any]) -> tf.Tensor:
    """Return the attention (n, l, heads, size) of queries, keys and values (n, heads, l, size)."""
    return tf.transpose(tf.matmul(weigh_keys(heads, biases), heads[2]), HEADS_FIRST)


def weigh_keys(heads: Sequence[tf.Tensor], biases: Sequence[Any]) -> tf.Tensor:
    """Return by how much each query heeds each key: (n, heads, t, s)."""
    scores = tf.matmul(heads[0], heads[1], transpose_b=True)
    for bias in biases:
        scores = scores + bias
    return tf.nn.softmax(scores)


def split_together(operands: Sequence[tf.Tensor]) -> list[tf.Tensor] | None:
    """Return (n, heads, l, size) of the parts of one tensor; None where they are none."""
    parts = [find_part(operand) for operand in operands]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts) or any(part.split is not found[0].split for part in found):
        return None
    count = len(found[0].split.outputs)
    batch, length, heads, size = operands[0].shape
    if any(operand.shape != operands[0].shape for operand in operands):
        return None
    whole = tf.reshape(found[0].split.inputs[1], [batch, length, count * heads, size])
    moved = tf.split(tf.transpose(whole, HEADS_FIRST), count, axis=1)
    made = []
    for part in found:
        one = moved[part.number]
        made.append(one if part.factor == 1.0 else one * part.factor)
    return made


def find_part(x: tf.Tensor) -> SplitPart | None:
    """Return where a tensor is split off another one's last dimension; None if it is not."""
    shape, factor = x.shape, 1.0
    while x.op.type in ("Identity", "Mul", "Reshape"):
        if x.op.type == "Mul":
            number = tf.get_static_value(x.op.inputs[1])
            if number is None or np.ndim(number):
                return None
            factor *= float(number)
        x = x.op.inputs[0]
    if x.op.type != "Split" or x.shape.rank != 3:
        return None
    axis = tf.get_static_value(x.op.inputs[0])
    rows = (shape[0], shape[1], shape[2] * shape[3])
    if axis not in (-1, 2) or tuple(x.shape) != rows:
        return None
    return SplitPart(x.op, x.value_index, factor)


@weight_reader("layers.MultiHeadAttention")
def join_projections(call: Call) -> dict[str, np.ndarray]:
    """Return one kernel and bias for queries, which are scaled, keys and values; and the output's.

    None where values have another size.
    """
    count, size = call.config["num_heads"], call.config["key_dim"]
    if call.config.get("value_dim") not in (None, size):
        return {}
    kernels, biases = [], []
    for name, factor in (("query", size**-0.5), ("key", 1.0), ("value", 1.0)):
        kernel = call.weights[f"{name}_dense.kernel"].array("float64")
        kernels.append(kernel.reshape(-1, count * size) * factor)
        if f"{name}_dense.bias" in call.weights:
            bias = call.weights[f"{name}_dense.bias"].array("float64")
            biases.append(bias.reshape(-1) * factor)
    out = call.weights["output_dense.kernel"].array(call.dtype)
    found = {"kernel": np.concatenate(kernels, 1), "out": out.reshape(count * size, -1)}
    if biases:
        found["bias"] = np.concatenate(biases)
    if "output_dense.bias" in call.weights:
        found["out_bias"] = call.weights["output_dense.bias"].array(call.dtype)
    return found


@rule("layers.MultiHeadAttention")
def attend_at_once(
    call: Call,
    query: Any,
    value: Any,
    key: Any = None,
    *,
    weights: Mapping[str, Any],
    **kwargs: Any,
) -> Any:
    """The layer on one sequence: a product for queries, keys and values, scaled beforehand."""
    is_self = query is value and (key is None or key is query)
    if not is_self or kwargs or call.dtype != "float32":
        return NotImplemented
    x = lower_rank(query)
    if x.shape.rank != 3 or not weights:
        return NotImplemented
    count, size = call.config["num_heads"], call.config["key_dim"]
    batch, length, _ = x.shape
    rows = multiply_rows(x, weights["kernel"], weights.get("bias"))
    whole = tf.reshape(rows, [batch, length, 3 * count, size])
    heads = tf.split(tf.transpose(whole, HEADS_FIRST), 3, axis=1)
    y = tf.reshape(attend_heads(heads, []), [batch, length, count * size])
    return multiply_rows(y, weights["out"], weights.get("out_bias"))


def multiply_rows(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    """Return the product of (n, l, c) and a matrix, and the sum with a bias: FULLY_CONNECTED."""
    batch, length, channels = x.shape
    y = tf.matmul(tf.reshape(x, [batch * length, channels]), kernel)
    if bias is not None:
        y = tf.nn.bias_add(y, bias)
    return tf.reshape(y, [batch, length, kernel.shape[1]])


@weight_reader(JOINED_DENSE)
def join_kernels(call: Call) -> dict[str, np.ndarray]:
    """Return the kernels and biases of several layers side by side, by their factors."""
    kernels, biases = [], []
    for number, factor in enumerate(call.kwargs["factors"]):
        kernel = call.weights[f"{number}.kernel"].array("float64")
        kernels.append(kernel * factor)
        bias = np.zeros(kernel.shape[1])
        if f"{number}.bias" in call.weights:
            bias = call.weights[f"{number}.bias"].array("float64")
        biases.append(bias * factor)
    joined = {"kernel": np.concatenate(kernels, 1), "bias": np.concatenate(biases)}
    return fold_normalization(call, joined)


@rule(JOINED_DENSE)
def multiply_once(
    _call: Call, x: Any, weights: Mapping[str, Any], modules: Sequence[str], **_factors: Any
) -> list[tf.Tensor]:
    """Several layers without activation on one value: one FULLY_CONNECTED and a SPLIT."""
    x = lower_rank(x)
    rows = tf.reshape(x, [-1, x.shape[-1]])
    y = tf.nn.bias_add(tf.matmul(rows, weights["kernel"]), weights["bias"])
    whole = tf.reshape(y, [*x.shape[:-1], y.shape[1]])
    parts: list[tf.Tensor] = tf.split(whole, len(modules), -1)
    return parts


@rule("ops.split")
def split_into_sections(_call: Call, x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """SPLIT, which XNNPACK has, for parts of one size that are told by their ends."""
    x = lower_rank(x)
    if isinstance(indices_or_sections, int):
        return tf.split(x, indices_or_sections, axis)
    ends = [*indices_or_sections, x.shape[axis]]
    if len(set(np.diff([0, *ends]))) > 1:
        return NotImplemented
    return tf.split(x, len(ends), axis)
