"""Real float64 on every backend: JAX computes it as float32 unless told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def double_precision() -> Iterator[None]:
    """Within, float64 tensors of Keras are float64."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    with jax.enable_x64(True):
        yield
