"""A model of any make as a flat list of steps; the model stays as it was."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from strange_layers import Scale, SealedScale
from torch2keras.errors import InputError
from torch2keras.twins.steps import find_parts, has_fused_activation, is_stranger, read_steps


class Block(layers.Layer):
    def __init__(self) -> None:
        super().__init__(name="block")
        self.dense = layers.Dense(4, name="inner")

    def call(self, x):
        return keras.ops.relu(self.dense(x))


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.head = layers.Dense(2, name="head")

    def call(self, x, training=False):
        return self.head(self.block(x))


class Unreadable(Subclassed):
    def call(self, x, training=False):
        return super().call(keras.ops.convert_to_tensor(np.asarray(x)))


def test_an_activation_within_a_layer_is_a_step_of_its_own() -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu", name="a")])
    graph = read_steps(model)
    assert [(step.kind, step.name, step.is_linear) for step in graph.steps] == [
        ("Dense", "a", True),
        ("Activation", "a", False),
    ]
    assert graph.shapes[graph.outputs[0]] == (None, 4)


def test_nested_models_are_read_into_their_parts() -> None:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(5, name="two")], name="inner")
    x = inputs = keras.Input((3,))
    model = keras.Model(inputs, inner(layers.Dense(4, name="one")(x)) * 2)
    assert [step.name for step in read_steps(model).steps][:2] == ["one", "inner/two"]
    assert read_steps(model).made[1].name == "one"


def test_a_subclassed_model_is_read_and_left_as_it_was() -> None:
    model = Subclassed()
    model(np.zeros((2, 3), "float32"))
    graph = read_steps(model)
    assert [step.kind for step in graph.steps] == ["Dense", "Relu", "Dense"]
    assert [graph.steps[place].name for place in (0, 2)] == ["block/inner", "head"]
    assert len(model.head._inbound_nodes) == 0
    assert find_parts(model) == [model.block.dense, model.head]


def test_own_weights_of_a_strangers_layer_are_values() -> None:
    x = inputs = keras.Input((4,))
    scale = Scale(name="scale")
    model = keras.Model(inputs, scale(scale(x)))
    graph = read_steps(model)
    assert [step.kind for step in graph.steps] == ["WeightSource", "Multiply", "Multiply"]
    assert graph.steps[0].name == "scale/gamma"
    gamma = graph.sources[id(scale.gamma)]
    assert [step.inputs[0] for step in graph.readers[gamma]] == [gamma, gamma]
    assert isinstance(scale.gamma, keras.Variable)


def test_a_layer_that_takes_no_symbols_stays_a_step_with_its_weights() -> None:
    x = inputs = keras.Input((5, 4))
    scale = SealedScale(name="scale")
    (step,) = read_steps(keras.Model(inputs, scale(x))).steps
    assert step.operation is scale
    (part,) = find_parts(scale)
    assert part.variable is scale.gamma


def test_parts_of_keras_layers_are_not_looked_for() -> None:
    attention = layers.MultiHeadAttention(2, 3)
    attention(np.zeros((1, 4, 6)), np.zeros((1, 4, 6)))
    assert find_parts(attention) == [attention]
    assert not is_stranger(attention)
    assert is_stranger(keras.Sequential([attention]))
    assert not is_stranger(layers.ReLU())


@pytest.mark.parametrize("model", [Subclassed(), keras.Sequential([layers.Dense(3)])])
def test_a_model_without_weights_is_refused(model: keras.Model) -> None:
    with pytest.raises(InputError, match="has no weights yet"):
        read_steps(model)


def test_a_call_beside_keras_is_refused() -> None:
    model = Unreadable()
    model(np.zeros((2, 3), "float32"))
    with pytest.raises(InputError, match="cannot be read"):
        read_steps(model)


def test_the_identity_is_no_activation() -> None:
    assert not has_fused_activation(layers.Dense(3))
    assert not has_fused_activation(layers.LSTM(3))
    assert has_fused_activation(layers.Conv1D(3, 1, activation="tanh"))
