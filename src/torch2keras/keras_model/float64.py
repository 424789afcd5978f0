"""Real float64 on every backend.

JAX computes float64 as float32 unless told, and so does Keras on every backend but TensorFlow. TensorFlow keeps the
constants of some functions in float32, whatever they compute in: the factors in both forms of gelu, the slope of
leaky_relu, the scale of attention.
(Measured with TensorFlow 2.21: 5e-9, 6e-9 and 3e-9.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE

from torch2keras.keras_graph.graph import Call
from torch2keras.workarounds.float64_formulas import gelu, leaky_relu

NARROW = ("float16", "bfloat16", "float32")


@contextmanager
def double_precision() -> Iterator[None]:
    """Within, float64 tensors of Keras are float64."""
    with ExitStack() as stack:
        if keras.backend.backend() == "jax":
            import jax

            stack.enter_context(jax.enable_x64(True))  # noqa: FBT003 - JAX's own signature
        # On every backend but TensorFlow, Keras promotes float64 to float32, by this table (Keras 3.15.1).
        stack.callback(BIT64_TO_BIT32_DTYPE.update, dict(BIT64_TO_BIT32_DTYPE))
        BIT64_TO_BIT32_DTYPE["float64"] = "float64"
        yield


def dtype_substitutes(own: str, dtype: str | None) -> dict[str, str]:
    """Which float types become which, where a graph of type `own` runs in `dtype`.

    In float64 all of them do: the reference too computes everything in float64, whatever the module casts to.
    """
    if dtype == "float64":
        return dict.fromkeys(NARROW, dtype)
    return {own: dtype or own}


FLOAT64_OPS: Mapping[str, Callable[..., Any]] = {
    "ops.gelu": lambda x, approximate=True: gelu(keras.ops, x, "tanh" if approximate else "none"),
}
"""What stands for an op in float64, as `float64_function` for a layer."""


def pool_3d(
    pool: Callable[..., Any], x: Any, size: Sequence[int], strides: Sequence[int], padding: str
) -> Any:
    """Pooling of (n, d, h, w, c) by one of (h, w) and one of d: TensorFlow has no kernel for the three in float64."""
    n, d, h, w, c = x.shape
    y = pool(keras.ops.reshape(x, (n * d, h, w, c)), size[1:], strides[1:], padding)
    h, w = y.shape[1:3]
    y = pool(keras.ops.reshape(y, (n, d, h * w, c)), (size[0], 1), (strides[0], 1), padding)
    return keras.ops.reshape(y, (n, -1, h, w, c))


def widen_scale(layer: keras.Layer) -> None:
    """Let attention multiply by a scale in float64: as a Python number TensorFlow rounds it."""
    if isinstance(layer, keras.layers.MultiHeadAttention):
        layer._inverse_sqrt_key_dim = np.float64(layer._inverse_sqrt_key_dim)  # noqa: SLF001 - it has no public name


def split_groups(layer: keras.Layer) -> None:
    """Let a grouped convolution run group by group: Keras has XLA compile TensorFlow's, anew for each call.

    (Measured with TensorFlow 2.21, float64, kernels of 3, from 2 groups to depthwise: 2 to 60 times faster in one
    dimension, 9 to 40 in two and three.)
    """
    whole, count = getattr(layer, "convolution_op", None), getattr(layer, "groups", 1)
    if whole is None or count == 1:
        return

    def run(x: Any, kernel: Any) -> Any:
        parts = zip(*(keras.ops.split(t, count, axis=-1) for t in (x, kernel)), strict=True)
        return keras.ops.concatenate([whole(*part) for part in parts], axis=-1)

    layer.convolution_op = run


def float64_function(call: Call) -> Callable[[Any], Any] | None:
    """What stands for a layer in float64, where TensorFlow's own kernel has constants in float32, or there is none."""
    if call.target == "layers.LeakyReLU":
        return lambda x: leaky_relu(keras.ops, x, call.config["negative_slope"])
    if call.target == "layers.Activation" and call.config["activation"] == "gelu":
        return lambda x: gelu(keras.ops, x)
    if call.target in ("layers.MaxPooling3D", "layers.AveragePooling3D"):
        pool = keras.ops.max_pool if "Max" in call.target else keras.ops.average_pool
        return lambda x: pool_3d(
            pool, x, call.config["pool_size"], call.config["strides"], call.config["padding"]
        )
    return None
