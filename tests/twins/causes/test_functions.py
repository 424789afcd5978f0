"""Functions are told by their values: a lambda has no name."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from torch2keras.twins.causes.functions import (
    GRID,
    NamedFunction,
    identify_function,
    identify_step,
    name_values,
)
from torch2keras.twins.steps import read_steps


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.ReLU(), "relu"),
        (layers.ReLU(6.0), "relu6"),
        (layers.Activation("gelu"), "gelu"),
        (layers.Activation("hard_sigmoid"), "hard_sigmoid"),
        (layers.Activation("linear"), "identity"),
        (layers.ELU(0.7), "elu with 0.7"),
        (layers.LeakyReLU(0.2), "leaky_relu with 0.2"),
        (layers.Rescaling(0.5), "times with 0.5"),
        (layers.Lambda(lambda x: keras.ops.gelu(x, approximate=True)), "gelu_tanh"),
        (layers.Lambda(lambda x: x * keras.ops.sigmoid(x)), "silu"),
        (layers.Lambda(lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)), "hard_sigmoid of Keras 2"),
        (layers.Lambda(lambda x: keras.ops.sin(x) + 3), "another function"),
    ],
)
def test_a_function_is_named(layer, name) -> None:
    x = keras.Input((5,))
    graph = read_steps(keras.Model(x, layer(x)))
    assert str(identify_step(graph, graph.steps[-1])).startswith(name)


@pytest.mark.parametrize("layer", [layers.Softmax(), layers.Dense(5), layers.RMSNormalization()])
def test_what_is_not_elementwise_is_none(layer) -> None:
    x = keras.Input((5,))
    graph = read_steps(keras.Model(x, layer(x)))
    assert identify_step(graph, graph.steps[-1]) is None


def test_a_parameter_may_be_rounded() -> None:
    assert identify_function(keras.activations.tanh) == NamedFunction("tanh")
    slope = name_values(np.where(GRID > 0, GRID, np.float32(0.01) * GRID))
    assert slope.is_near(NamedFunction("leaky_relu", 0.01))
    assert not slope.is_near(NamedFunction("leaky_relu", 0.02))
