"""Pooling of three dimensions in float64, for which TensorFlow has no kernel (TensorFlow 2.21)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras


def pool_3d(
    pool: Callable[..., Any], x: Any, size: Sequence[int], strides: Sequence[int], padding: str
) -> Any:
    """Return the pooling of (n, d, h, w, c), computed as one of (h, w) and then one of d.

    `pool` is `keras.ops.max_pool` or `keras.ops.average_pool`; an average of averages is that of
    all where the windows have one size, as with padding "valid".
    """
    n, d, h, w, c = x.shape
    y = pool(keras.ops.reshape(x, (n * d, h, w, c)), size[1:], strides[1:], padding)
    h, w = y.shape[1:3]
    flat = keras.ops.reshape(y, (n, d, h * w, c))
    y = pool(flat, (size[0], 1), (strides[0], 1), padding)
    return keras.ops.reshape(y, (n, -1, h, w, c))
