"""Weights of a stranger's layer, and the symbolic tensors that stand for them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from strange_layers import Scale, Tokens, WrittenDense
from torch2keras.twins.own_weights import (
    WeightSource,
    find_own_weights,
    find_sublayers,
    hold_symbols,
)


class Block(layers.Layer):
    """A layer with a weight, a random state, a layer and a dictionary of weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(3)
        self.drop = layers.Dropout(0.5)
        self.seed = keras.random.SeedGenerator(0)

    def build(self, shape) -> None:
        self.inner.build(shape)
        self.own = self.add_weight(shape=(4,), name="own")
        self.named = {"one": self.add_weight(shape=(), name="one")}

    def call(self, x):
        return self.inner(x)


def test_own_weights_are_those_that_no_layer_within_has() -> None:
    block = Block()
    block(np.zeros((2, 4), "float32"))
    assert [variable.name for variable in find_own_weights(block)] == ["own", "one"]
    assert find_sublayers(block) == [block.inner, block.drop]
    model = keras.Sequential([keras.Sequential([layers.Dense(2)], name="a")])
    assert [layer.name for layer in find_sublayers(model, deep=False)] == ["a"]


def test_attributes_are_symbols_meanwhile() -> None:
    block = Block()
    block(np.zeros((2, 4), "float32"))
    own, one = block.own, block.named["one"]
    with hold_symbols(block) as symbols:
        assert [variable for variable, _ in symbols] == [own, one]
        assert block.own is symbols[0][1]
        assert block.named["one"] is symbols[1][1]
        assert keras.utils.is_keras_tensor(block.own)
        assert tuple(block.named["one"].shape) == ()
    assert block.own is own
    assert block.named["one"] is one
    assert len(block.weights) == 4


def test_a_list_of_weights_is_exchanged_and_comes_back_as_it_was() -> None:
    dense = WrittenDense(3)
    dense(np.zeros((2, 4), "float32"))
    before = dense.pair
    with hold_symbols(dense):
        assert all(map(keras.utils.is_keras_tensor, dense.pair))
    assert dense.pair is before


def test_a_layer_that_raises_has_its_weights_back() -> None:
    tokens = Tokens()
    tokens(np.zeros((2, 3, 4), "float32"))
    token = tokens.token
    with pytest.raises(ZeroDivisionError), hold_symbols(tokens):
        _ = 1 / 0
    assert tokens.token is token


def test_a_source_has_its_variable_alone() -> None:
    scale = Scale()
    scale(np.zeros((2, 4), "float32"))
    assert WeightSource(scale, scale.gamma).weights == [scale.gamma]
