"""Keras takes float64 for float32: on every backend but TensorFlow, Keras promotes it down.

It does so by a table in its private module `dtypes` (Keras 3.15.1). JAX does the same by itself,
unless told (JAX 0.4 and later: `jax.enable_x64`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import keras
from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE


@contextmanager
def double_precision() -> Iterator[None]:
    """Let float64 tensors of Keras be float64 within, on any backend."""
    with ExitStack() as stack:
        if keras.backend.backend() == "jax":
            import jax

            stack.enter_context(jax.enable_x64(True))  # noqa: FBT003 - JAX's own signature
        stack.callback(BIT64_TO_BIT32_DTYPE.update, dict(BIT64_TO_BIT32_DTYPE))
        BIT64_TO_BIT32_DTYPE["float64"] = "float64"
        yield
