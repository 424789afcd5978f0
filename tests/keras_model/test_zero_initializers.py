"""Layers begin as zeros, and keep the initializers of their configuration."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.keras_model.zero_initializers import ZeroInitializers
from torch2keras.runtime.arrays import to_numpy

LAYERS = {
    "Dense": (lambda: keras.layers.Dense(5), (2, 3)),
    "in a recurrent layer": (lambda: keras.layers.LSTM(5), (2, 7, 3)),
    "in both directions": (lambda: keras.layers.Bidirectional(keras.layers.GRU(5)), (2, 7, 3)),
}


def find_initializers(layer: keras.Layer) -> list[keras.Initializer]:
    """The public initializers of a layer and of those within it."""
    found = []
    for part in layer._flatten_layers():
        names = sorted(name for name in vars(part) if name.endswith("_initializer"))
        found += [getattr(part, name) for name in names if not name.startswith("_")]
    return found


@pytest.mark.parametrize("name", LAYERS)
def test_weights_begin_as_zeros_and_the_configuration_stays(name: str) -> None:
    make, shape = LAYERS[name]
    layer, initializers = make(), ZeroInitializers()
    before = find_initializers(layer)
    initializers.exchange(layer)
    layer.build(shape)
    kernels = [w for w in layer.weights if w.name.endswith("kernel")]
    assert kernels
    assert all(not to_numpy(w.value).any() for w in kernels)
    initializers.restore()
    assert before == find_initializers(layer)


def test_initializers_that_draw_nothing_stay() -> None:
    layer, initializers = keras.layers.BatchNormalization(), ZeroInitializers()
    initializers.exchange(layer)
    assert not initializers.taken
    layer.build((2, 3))
    assert np.array_equal(to_numpy(layer.gamma.value), np.ones(3))


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv1d(3, 5, 7), (2, 3, 17)),
        (nn.Linear(3, 5), (2, 3)),
        (nn.LSTM(3, 5, bidirectional=True, batch_first=True), (2, 11, 3)),
    ],
    ids=lambda item: type(item).__name__,
)
def test_layers_keep_their_initializers(module: nn.Module, shape: tuple[int, ...]) -> None:
    """They are zeros only until the weights are copied: a model made anew draws."""
    model = t2k.convert(module.eval(), torch.randn(shape)).model
    anew = keras.models.clone_model(model)
    kernels = [w for w in anew.weights if w.name.endswith("kernel")]
    assert kernels
    assert all(np.abs(to_numpy(w.value)).min() > 0 for w in kernels)


def test_layers_within_layers_keep_their_initializers() -> None:
    module = nn.TransformerEncoderLayer(6, 2, 11, batch_first=True).eval()
    layers = t2k.convert(module, torch.randn(2, 5, 6)).model._flatten_layers()
    kinds = [
        type(layer.kernel_initializer) for layer in layers if hasattr(layer, "kernel_initializer")
    ]
    assert kinds == [keras.initializers.GlorotUniform] * 6
