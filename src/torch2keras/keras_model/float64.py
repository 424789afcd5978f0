"""What a graph becomes when it is run in another float type, float64 above all.

In float64 some ops and layers are run by other functions, since TensorFlow computes them in float32
or has no kernel for them: workarounds/float64_formulas.py and workarounds/float64_pooling.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np

from torch2keras.keras_graph.graph import Call
from torch2keras.keras_graph.mixed_precision import POLICIES
from torch2keras.keras_graph.weight import Weight
from torch2keras.runtime.arrays import to_numpy
from torch2keras.workarounds.float64_formulas import (
    exact_gelu,
    exact_leaky_relu,
    widen_attention_scale,
)
from torch2keras.workarounds.float64_pooling import pool_3d
from torch2keras.workarounds.grouped_convolution import split_groups

NARROW = ("float16", "bfloat16", "float32")


def dtype_substitutes(own: str, dtype: str | None) -> dict[str, str]:
    """Return which float types become which, where a graph of type `own` is run in `dtype`.

    In float64 all of them do: the reference too computes everything in float64, whatever the module
    casts to. `dtype` is None for the graph's own.
    """
    if dtype == "float64":
        return dict.fromkeys((*NARROW, *POLICIES), dtype)
    return {own: dtype or own}


def _gelu_op(x: Any, approximate: bool = True) -> Any:  # noqa: FBT001, FBT002 - Keras's signature
    return exact_gelu(keras.ops, x, "tanh" if approximate else "none")


FLOAT64_OPS: Mapping[str, Callable[..., Any]] = {"ops.gelu": _gelu_op}
"""What is called for an op in float64, by its target; as `float64_function` for a layer."""


POOLING_3D: Mapping[str, Callable[..., Any]] = {
    "layers.MaxPooling3D": partial(keras.ops.max_pool, data_format="channels_last"),
    "layers.AveragePooling3D": partial(keras.ops.average_pool, data_format="channels_last"),
}


MOST_BYTES = 2**26
"""Bytes of weights in float64 that a layer is filled with; a larger one is run part by part."""


def _count_bytes(weight: Weight) -> int:
    return 8 * math.prod(weight.shape)


def _look_up(call: Call, places: Any, *, reverse: bool = False) -> Any:
    """Return what an Embedding gives, by the rows of its table that are read.

    With `reverse` it is a product by the transposed table.
    """
    if reverse:
        return _multiply_by_parts(places, call.weights["embeddings"].transpose(1, 0))
    rows, numbers = np.unique(to_numpy(places), return_inverse=True)
    table = call.weights["embeddings"].take(0, tuple(map(int, rows))).array("float64")
    return keras.ops.take(keras.ops.convert_to_tensor(table), numbers.reshape(places.shape), axis=0)


def _apply_dense(call: Call, x: Any) -> Any:
    """Return what a Dense layer gives."""
    result, bias = _multiply_by_parts(x, call.weights["kernel"]), call.weights.get("bias")
    if bias is not None:
        result = result + keras.ops.convert_to_tensor(bias.array("float64"))
    return keras.activations.get(call.config.get("activation"))(result)


def _multiply_by_parts(x: Any, kernel: Weight) -> Any:
    """Return the product of `x` and a kernel, some of its units at a time."""
    features, _ = kernel.shape
    step = max(1, MOST_BYTES // (8 * features))
    kernels = map(keras.ops.convert_to_tensor, kernel.array_parts(1, step, "float64"))
    return keras.ops.concatenate([keras.ops.matmul(x, part) for part in kernels], -1)


BY_PARTS: Mapping[str, Callable[..., Any]] = {
    "layers.Embedding": _look_up,
    "layers.ReversibleEmbedding": _look_up,
    "layers.Dense": _apply_dense,
}
"""What is called for a layer of large weights in float64, with its call before the argument."""


def float64_function(call: Call) -> Callable[[Any], Any] | None:
    """Return what is called for a layer in float64; None where the layer itself is right."""
    config = call.config
    if call.target == "layers.LeakyReLU":
        return lambda x: exact_leaky_relu(keras.ops, x, config["negative_slope"])
    if call.target == "layers.Activation" and config["activation"] == "gelu":
        return lambda x: exact_gelu(keras.ops, x)
    if call.target in BY_PARTS and sum(map(_count_bytes, call.weights.values())) > MOST_BYTES:
        return partial(BY_PARTS[call.target], call)
    pool = POOLING_3D.get(call.target)
    if pool is None:
        return None
    return lambda x: pool_3d(pool, x, config["pool_size"], config["strides"], config["padding"])


def widen_layer(layer: keras.Layer) -> None:
    """Let a layer of dtype float64 compute in float64 throughout, and in reasonable time."""
    if isinstance(layer, keras.layers.MultiHeadAttention):
        widen_attention_scale(layer)
    split_groups(layer)
