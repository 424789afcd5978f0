"""Layers cut into their weights."""

from __future__ import annotations

import keras
from keras import layers

from torch2keras.twins.atoms import PARAMETER, find_atoms
from torch2keras.twins.single_weights import WHOLE, cut_sides, take_part
from torch2keras.twins.steps import read_steps


def read_atoms() -> list:
    x = inputs = keras.Input((5,))
    x = layers.LayerNormalization(name="b")(layers.Dense(3, name="a")(x))
    return find_atoms(read_steps(keras.Model(inputs, layers.Dense(2, name="c")(x))))


def test_a_cut_atom_is_its_weights_at_its_place() -> None:
    atoms = read_atoms()
    cut = cut_sides((atoms, atoms), ({1}, ()))
    ours, twin = cut.sides
    assert [atom.name for atom in ours] == ["a", "b:gamma", "b:beta", "c"]
    assert [(atom.before, atom.after) for atom in ours] == [
        (set(), {1, 2}),
        ({0}, {3}),
        ({0}, {3}),
        ({1, 2}, set()),
    ]
    assert ours[1].signature == ours[2].signature == (PARAMETER, 3)
    assert [atom.signature for atom in twin] == [atom.signature for atom in atoms]
    assert cut.keys[0] == [(0, WHOLE), (1, 0), (1, 1), (2, WHOLE)]
    assert cut.places(0)[1, 1] == 2
    assert atoms[1].before == {0}


def test_weights_that_are_alike_are_told_by_their_roles() -> None:
    atoms = read_atoms()
    ours, _ = cut_sides((atoms, atoms), ({1}, ()), by_role=True).sides
    assert [atom.signature for atom in ours[1:3]] == [
        (PARAMETER, 3, "gamma"),
        (PARAMETER, 3, "beta"),
    ]


def test_a_part_has_no_values_that_it_reads() -> None:
    atoms = read_atoms()
    assert take_part(atoms, (0, WHOLE)) is atoms[0]
    bias = take_part(atoms, (0, 1))
    assert (bias.name, bias.enters, bias.leaves, bias.whole) == ("a:bias", None, None, atoms[0])
    assert list(bias.slots) == ["bias"]
