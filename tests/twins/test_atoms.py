"""The parts of layers that hold weights, and what equal ones have in common."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from strange_layers import SealedScale, Tokens
from torch2keras.twins.atoms import PARAMETER, find_atoms, sign_layer
from torch2keras.twins.steps import read_steps


def atoms_of(layer: layers.Layer, *shape: int) -> list:
    x = inputs = keras.Input(shape)
    return find_atoms(read_steps(keras.Model(inputs, layer(x))))


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [
        (layers.Dense(5), layers.Conv1D(5, 1), (7, 3)),
        (layers.Dense(5), layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"), (7, 3)),
        (layers.DepthwiseConv1D(3), layers.Conv1D(4, 3, groups=4), (7, 4)),
        (layers.LSTM(3), layers.LSTM(3, return_sequences=True), (7, 4)),
    ],
)
def test_equal_layers_have_one_signature(one, other, shape) -> None:
    assert atoms_of(one, *shape)[0].signature == atoms_of(other, *shape)[0].signature


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [
        (layers.Conv2D(4, (1, 3)), layers.Conv2D(4, (3, 1)), (7, 7, 4)),
        (layers.BatchNormalization(), layers.LayerNormalization(), (7, 4)),
        (layers.LSTM(3), layers.LSTM(3, go_backwards=True), (7, 4)),
        (layers.Conv1D(4, 3, groups=2), layers.Conv1D(4, 3), (7, 4)),
    ],
)
def test_other_layers_have_others(one, other, shape) -> None:
    assert atoms_of(one, *shape)[0].signature != atoms_of(other, *shape)[0].signature


def test_a_separable_convolution_is_two() -> None:
    depth, point = atoms_of(layers.SeparableConv1D(6, 3), 9, 4)
    assert depth.signature == ("depthwise", (3,), 4, 1)
    assert point.signature == ("kernel", (), 4, 6)
    assert set(point.slots) == {"kernel", "bias"}
    assert (depth.leaves, point.enters) == (None, None)
    assert point.before == {0}


def test_attention_is_its_projections() -> None:
    x = inputs = keras.Input((5, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4)(x, x))
    atoms = find_atoms(read_steps(model))
    assert [atom.part for atom in atoms] == ["query", "key", "value", "output"]
    assert {atom.signature for atom in atoms} == {("kernel", (), 8, 8)}
    assert atoms[3].before == {0, 1, 2}


def test_both_directions_are_two() -> None:
    forward, backward = atoms_of(layers.Bidirectional(layers.GRU(3)), 5, 2)
    assert forward.signature == ("GRU", 2, 3, False)
    assert backward.signature == ("GRU", 2, 3, True)
    assert sign_layer(backward.layer, backward.slots) == backward.signature


def test_neighbours_are_found_through_steps_without_weights() -> None:
    x = inputs = keras.Input((8, 4))
    y = layers.Conv1D(4, 3, padding="same")(x)
    z = layers.ReLU()(layers.BatchNormalization()(y)) + x
    atoms = find_atoms(read_steps(keras.Model(inputs, layers.Dense(2)(z))))
    assert [(atom.before, atom.after) for atom in atoms] == [(set(), {1}), ({0}, {2}), ({1}, set())]


def test_statistics_of_the_data_are_no_atom() -> None:
    assert atoms_of(layers.Normalization(mean=[1.0], variance=[2.0]), 1) == []


def test_a_strangers_weights_are_told_by_what_they_are_put_together_with() -> None:
    x = inputs = keras.Input((5, 3))
    x = Tokens(name="tokens")(layers.Dense(4, name="a")(x))
    atoms = find_atoms(read_steps(keras.Model(inputs, layers.Dense(2, name="b")(x))))
    places = {atom.name: place for place, atom in enumerate(atoms)}
    token, positions = places["tokens/token"], places["tokens/positions"]
    assert atoms[positions].signature == (PARAMETER, 20)
    assert atoms[positions].before == {places["a"]}
    assert atoms[token].before == {places["a"], positions}
    assert (atoms[token].enters, atoms[token].leaves) == (None, None)
    assert atoms[token].kind == "Tokens"
    assert atoms[places["b"]].before == {places["a"], token, positions}


def test_weights_of_a_layer_that_cannot_be_looked_into_are_atoms_too() -> None:
    x = inputs = keras.Input((5, 3))
    x = SealedScale(name="scale")(layers.Dense(4, name="a")(x))
    atoms = find_atoms(read_steps(keras.Model(inputs, layers.Dense(2, name="b")(x))))
    assert [atom.name for atom in atoms] == ["a", "scale/gamma", "b"]
    assert atoms[1].signature == (PARAMETER, 4)
    assert atoms[2].before == {0, 1}
