"""Layers that loop over time, as TensorFlow graphs: eagerly, TensorFlow starts each op of each step from Python.

Measured with a bidirectional LSTM over 50 steps: 0.5 s of CPU a call; as a graph 0.4 s once, and then 0.02 s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def as_graph(function: Callable[..., Any], like: Any) -> Callable[..., Any]:
    """The function as one graph for arguments of the types of `like` (KerasTensors, nested or not).

    On other backends the function itself: JAX compiles a loop by itself, and PyTorch has no need.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    specs = keras.tree.map_structure(
        lambda x: tf.TensorSpec(x.shape, keras.backend.standardize_dtype(x.dtype)), like
    )
    made: Callable[..., Any] = tf.function(function, input_signature=specs, autograph=False)
    return made


def compile_recurrence(layer: keras.Layer) -> Callable[..., Any]:
    """A recurrent layer as a graph for any batch and length, made when first called."""
    graphs: dict[int, Callable[..., Any]] = {}

    def run(*args: Any) -> Any:
        if len(args) not in graphs:
            like = keras.tree.map_structure(
                lambda x: keras.KerasTensor((None,) * (x.ndim - 1) + tuple(x.shape[-1:]), x.dtype),
                args,
            )
            graphs[len(args)] = as_graph(layer, like)
        return graphs[len(args)](*args)

    return run
