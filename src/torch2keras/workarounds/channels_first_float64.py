"""TensorFlow has no convolution of float64 on a processor whose channels come first (2.21).

It has those of float32, and all that are channels last.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras


def move_channels_last(layer: keras.Layer) -> None:
    """Let a built convolution of channels first run channels last; its callers see no difference.

    A layer of another kind stays as it is.
    """
    is_first = getattr(layer, "data_format", None) == "channels_first"
    if is_first and hasattr(layer, "kernel_size"):
        layer.data_format = "channels_last"
        layer.call = partial(_run_moved, layer.call)


def _run_moved(call: Any, inputs: Any) -> Any:
    """Return what a layer computes, its channels first on both sides."""
    moved = keras.ops.moveaxis(inputs, 1, -1)
    return keras.ops.moveaxis(call(moved), -1, 1)
