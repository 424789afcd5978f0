"""Shape and dtype of what a Keras layer returns, without making its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

MOVE_ELEMENTS = (
    "Reshape",
    "Flatten",
    "Permute",
    "RepeatVector",
    "Cropping",
    "ZeroPadding",
    "UpSampling",
)
"""Names of layers that only move elements: they keep integers, as a layer casts only floats."""


def infer_output(layer: keras.Layer, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return the KerasTensor, or the list of them, that a layer returns for these inputs.

    `inputs` are KerasTensors and arrays; a mask among `kwargs` changes no shape. What Keras refuses
    is raised as Keras raises it.
    """
    kwargs = {name: value for name, value in kwargs.items() if name != "mask"}
    if isinstance(layer, keras.layers.MultiHeadAttention):  # its shapes are arguments of their own
        return layer.compute_output_spec(*inputs, **kwargs)
    shapes = [tuple(x.shape) for x in inputs if not isinstance(x, list)]
    try:
        if len(shapes) == 1:
            shape = layer.compute_output_shape(*shapes, **kwargs)
        else:
            shape = layer.compute_output_shape(shapes)
    except NotImplementedError:
        return layer(*inputs, **kwargs)
    keeps_dtype = type(layer).__name__.startswith(MOVE_ELEMENTS)
    dtype = inputs[0].dtype if keeps_dtype else layer.compute_dtype
    if shape and isinstance(shape[0], list | tuple):
        return [keras.KerasTensor(s, dtype) for s in shape]
    return keras.KerasTensor(shape, dtype)
