"""A model of any make as a flat list of steps; the model stays as it was."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from torch2keras.errors import InputError
from torch2keras.twins.steps import find_leaf_layers, has_fused_activation, read_steps


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
    assert find_leaf_layers(model) == [model.block.dense, model.head]


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
