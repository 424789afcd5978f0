"""What a graph becomes when it is run in another float type, float64 above all.

In float64 some ops and layers are run by other functions, since TensorFlow computes them in float32
or has no kernel for them: workarounds/float64_formulas.py and workarounds/float64_pooling.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras

from torch2keras.keras_graph.graph import Call
from torch2keras.keras_graph.mixed_precision import POLICIES
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


def float64_function(call: Call) -> Callable[[Any], Any] | None:
    """Return what is called for a layer in float64; None where the layer itself is right."""
    config = call.config
    if call.target == "layers.LeakyReLU":
        return lambda x: exact_leaky_relu(keras.ops, x, config["negative_slope"])
    if call.target == "layers.Activation" and config["activation"] == "gelu":
        return lambda x: exact_gelu(keras.ops, x)
    pool = POOLING_3D.get(call.target)
    if pool is None:
        return None
    return lambda x: pool_3d(pool, x, config["pool_size"], config["strides"], config["padding"])


def widen_layer(layer: keras.Layer) -> None:
    """Let a layer of dtype float64 compute in float64 throughout, and in reasonable time."""
    if isinstance(layer, keras.layers.MultiHeadAttention):
        widen_attention_scale(layer)
    split_groups(layer)
