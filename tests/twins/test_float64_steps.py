"""Steps in float64: the caller's layers stay as they are."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from torch2keras.twins.float64_steps import Float64Steps, widen, widen_config
from torch2keras.twins.steps import read_steps
from torch2keras.workarounds.float64_promotion import double_precision


class Scale(layers.Layer):
    """Has no configuration that it could be copied by."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.factor = self.add_weight(shape=(count,), initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor

    def get_config(self):
        raise NotImplementedError


def make_model() -> keras.Model:
    x = inputs = keras.Input((9, 4))
    y = layers.Conv1D(4, 3, padding="same", activation="gelu")(x)
    y = layers.Dropout(0.5)(layers.BatchNormalization()(y)) + keras.ops.cast(x, "float32")
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(y)
    return keras.Model(inputs, layers.LeakyReLU(0.1)(layers.Lambda(lambda v: v * 2)(y)))


def test_a_model_in_float64_is_itself_without_rounding() -> None:
    model = make_model()
    x = np.random.default_rng(0).normal(size=(2, 9, 4)).astype("float32")
    graph = read_steps(model)
    with double_precision():
        values = Float64Steps().run_all(graph, [x])
    result = np.asarray(values[graph.outputs[0]])
    assert result.dtype == np.float64
    assert np.allclose(result, model(x, training=False), atol=1e-5)
    assert all(layer.compute_dtype == "float32" for layer in model.layers)


def test_other_weights_are_run_without_being_written() -> None:
    model = keras.Sequential([keras.Input((4,)), Scale(4), layers.Dense(4, use_bias=False)])
    factor, kernel = model.weights
    before = model.get_weights()
    arrays = {id(factor): np.full(4, 3.0), id(kernel): np.eye(4)}
    graph = read_steps(model)
    with double_precision():
        values = Float64Steps(arrays).run_all(graph, [np.ones((1, 4), "float32")])
    assert np.allclose(np.asarray(values[graph.outputs[0]]), 3.0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_every_dtype_of_a_configuration_is_widened() -> None:
    config = {"dtype": "float32", "layer": {"config": {"dtype": {"name": "float32"}}}, "n": [1]}
    widened = {"dtype": "float64", "layer": {"config": {"dtype": "float64"}}, "n": [1]}
    assert widen_config(config) == widened
    assert widen(np.ones(2, "int32")).dtype == "int32"
