"""Convolutions in float64 whose channels come first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from torch2keras.runtime.arrays import to_numpy
from torch2keras.workarounds.channels_first_float64 import move_channels_last

LAYERS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "one dimension": (
        lambda **options: keras.layers.Conv1D(8, 5, strides=2, **options),
        (2, 3, 17),
    ),
    "causal": (lambda **options: keras.layers.Conv1D(8, 3, padding="causal", **options), (2, 3, 9)),
    "two dimensions": (
        lambda **options: keras.layers.Conv2D(6, (3, 2), padding="same", **options),
        (2, 6, 5, 7),
    ),
    "transposed": (
        lambda **options: keras.layers.Conv2DTranspose(6, 3, strides=2, **options),
        (2, 4, 5, 7),
    ),
    "depthwise": (lambda **options: keras.layers.DepthwiseConv1D(3, **options), (2, 3, 9)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_it_computes_the_same(name: str) -> None:
    make, shape = LAYERS[name]
    x = np.random.default_rng(0).normal(size=shape)
    first = make(data_format="channels_first", dtype="float64")
    first.build(shape)
    last = make(data_format="channels_last", dtype="float64")
    last.build((shape[0], *shape[2:], shape[1]))
    last.set_weights(first.get_weights())
    move_channels_last(first)
    expected = np.moveaxis(to_numpy(last(np.moveaxis(x, 1, -1))), -1, 1)
    np.testing.assert_array_equal(to_numpy(first(x)), expected)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv1D(5, 3, data_format="channels_last"),
        keras.layers.GlobalAveragePooling1D(data_format="channels_first"),
    ],
)
def test_other_layers_stay_as_they_are(layer: keras.Layer) -> None:
    before = dict(vars(layer))
    move_channels_last(layer)
    assert dict(vars(layer)) == before


def test_tensorflow_still_has_none() -> None:
    """Where this fails, TensorFlow has the kernel, and the workaround can go."""
    layer = keras.layers.Conv1D(8, 5, data_format="channels_first", dtype="float64")
    with pytest.raises(tf.errors.OpError):
        layer(np.zeros((2, 3, 17)))
