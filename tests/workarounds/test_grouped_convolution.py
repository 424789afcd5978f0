"""A grouped convolution, run group by group."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from torch2keras.runtime.arrays import to_numpy
from torch2keras.workarounds.grouped_convolution import split_groups

LAYERS = {
    "two groups": (lambda: keras.layers.Conv1D(10, 3, groups=2, strides=2), (2, 11, 6)),
    "causal": (
        lambda: keras.layers.Conv1D(
            8, 3, groups=4, padding="causal", dilation_rate=2, activation="relu", use_bias=False
        ),
        (2, 11, 4),
    ),
    "depthwise": (lambda: keras.layers.Conv1D(6, 3, groups=6, padding="same"), (2, 11, 6)),
    "two dimensions": (
        lambda: keras.layers.Conv2D(9, (3, 2), groups=3, dilation_rate=(1, 2)),
        (2, 7, 11, 6),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_it_gives_the_numbers_of_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, shape = LAYERS[name]
    layer = make()
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    whole = to_numpy(layer(x))
    split_groups(layer)
    kernels = list[tuple[int, ...]]()
    convolve = keras.ops.conv

    def observe(inputs: Any, kernel: Any, **options: Any) -> Any:
        kernels.append(tuple(kernel.shape))
        return convolve(inputs, kernel, **options)

    monkeypatch.setattr(keras.ops, "conv", observe)
    np.testing.assert_allclose(to_numpy(layer(x)), whole, rtol=1e-5, atol=1e-5)
    part = (*layer.kernel_size, shape[-1] // layer.groups, layer.filters // layer.groups)
    assert kernels == [part] * layer.groups


@pytest.mark.parametrize("layer", [keras.layers.Conv1D(5, 3), keras.layers.Dense(5)])
def test_other_layers_stay_as_they_are(layer: keras.Layer) -> None:
    before = dict(vars(layer))
    split_groups(layer)
    assert dict(vars(layer)) == before


def test_keras_still_compiles_a_grouped_convolution() -> None:
    """Where this fails, Keras leaves it to TensorFlow's own kernel, and the workaround can go."""
    assert "jit_compile=True" in keras_source()


def keras_source() -> str:
    import inspect

    from keras.src.backend.tensorflow import nn

    return inspect.getsource(nn.conv)
