"""Colours tell apart what stands at other places, on both sides alike."""

from __future__ import annotations

import keras
from keras import layers

from torch2keras.twins.atoms import find_atoms
from torch2keras.twins.colours import Palette
from torch2keras.twins.steps import read_steps


def chain(count: int) -> list:
    x = inputs = keras.Input((4,))
    for _ in range(count):
        x = layers.Dense(4)(x)
    return find_atoms(read_steps(keras.Model(inputs, x)))


def test_places_in_a_chain_are_told_apart() -> None:
    palette = Palette((chain(5), chain(5)))
    palette.paint(lambda side, place: palette.sides[side][place].signature)
    assert palette.count() == 1
    palette.refine(100)
    assert palette.count() == 5
    assert palette.colours[0] == palette.colours[1]
    assert all(ours == twin for ours, twin in palette.classes().values())


def test_branches_that_look_alike_keep_one_colour() -> None:
    x = inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(3)(x) + layers.Dense(3)(x))
    atoms = find_atoms(read_steps(model))
    palette = Palette((atoms, atoms))
    palette.paint(lambda side, place: palette.sides[side][place].signature)
    palette.refine(100)
    assert palette.count() == 1
