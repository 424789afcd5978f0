"""Which atom is which: by structure, by what is around it, and by order."""

from __future__ import annotations

import keras
from keras import layers

from strange_layers import Scale, WrittenDense, WrittenKerasNorm
from torch2keras.twins.atoms import find_atoms
from torch2keras.twins.matching import How, find_suspects, match_atoms
from torch2keras.twins.single_weights import WHOLE
from torch2keras.twins.steps import read_steps


def read(*parts: layers.Layer, shape: tuple[int, ...] = (12, 4)) -> list:
    return find_atoms(read_steps(keras.Sequential([keras.Input(shape), *parts])))


def branches(names: str) -> list:
    x = inputs = keras.Input((4,))
    parts = {name: layers.Dense(3, name=name)(x) for name in names}
    return find_atoms(read_steps(keras.Model(inputs, layers.Concatenate()(list(parts.values())))))


def named(match) -> list[tuple[str, str, str]]:
    return [(pair.ours.name, pair.twin.name, pair.how.value) for pair in match.pairs]


def test_a_chain_is_matched_by_structure() -> None:
    one = read(*(layers.Conv1D(4, 3, name=name) for name in "abc"))
    two = read(*(layers.Conv1D(4, 3, name=name) for name in "xyz"))
    assert named(match_atoms(one, two)) == [
        ("a", "x", "structure"),
        ("b", "y", "structure"),
        ("c", "z", "structure"),
    ]


def test_what_looks_alike_is_guessed_in_order() -> None:
    match = match_atoms(branches("abc"), branches("xyz"))
    assert named(match) == [("a", "x", "order"), ("b", "y", "order"), ("c", "z", "order")]
    assert match.groups == {0: 3}
    other = match_atoms(branches("abc"), branches("xyz"), choices={0: (2, 0, 1)})
    assert [twin for _, twin, _ in named(other)] == ["z", "x", "y"]


def test_what_is_given_stays() -> None:
    match = match_atoms(branches("abc"), branches("xyz"), given={(0, WHOLE): (2, WHOLE)})
    assert ("a", "z", "given") in named(match)
    assert len(match.pairs) == 3


def test_one_layer_more_is_left_over_alone() -> None:
    one = read(*(layers.Conv1D(n, 3, name=f"a{n}") for n in (4, 5, 6)))
    extra = [layers.Conv1D(4, 3), layers.BatchNormalization(name="norm")]
    two = read(*extra, *(layers.Conv1D(n, 3) for n in (5, 6)))
    match = match_atoms(one, two)
    assert len(match.pairs) == 3
    assert [atom.name for atom in match.twin_left] == ["norm"]
    assert match.ours_left == []


def test_a_convolution_may_have_a_dimension_of_one_more() -> None:
    one = read(layers.Conv1D(5, 3))
    two = read(layers.Conv2D(5, (1, 3)), shape=(1, 12, 4))
    assert [pair.how for pair in match_atoms(one, two).pairs] == [How.ORDER]


def test_a_layer_of_another_size_at_the_same_place_is_suspected() -> None:
    one = read(layers.Dense(5, name="a"), layers.Flatten(), layers.Dense(3, name="b"))
    two = read(
        layers.Dense(5, name="x"), layers.Cropping1D(1), layers.Flatten(), layers.Dense(3, name="y")
    )
    match = match_atoms(one, two)
    assert [(p.ours.name, p.twin.name) for p in find_suspects(match, (one, two))] == [("b", "y")]


def test_what_is_one_layer_here_and_its_weights_there_is_matched() -> None:
    one = read(layers.Dense(3, name="a"), layers.LayerNormalization(name="n"))
    two = read(layers.Dense(3, name="b"), WrittenKerasNorm(name="m"))
    for sides in ((one, two), (two, one)):
        match = match_atoms(*sides)
        assert len(match.pairs) == 3
        assert {(pair.ours.name[-4:], pair.twin.name[-4:]) for pair in match.pairs[1:]} <= {
            ("amma", "amma"),
            ("beta", "beta"),
        }
        assert not match.ours_left
        assert not match.twin_left
    given = match_atoms(one, two, given={(1, 0): (2, WHOLE)})
    assert ("n:gamma", "m/beta", "given") in named(given)


def test_a_weight_that_is_left_over_is_named() -> None:
    one = read(WrittenDense(3, name="a"))
    two = read(layers.Dense(3, use_bias=False, name="b"))
    assert [atom.name for atom in match_atoms(one, two).ours_left] == ["a/b"]
    match = match_atoms(read(layers.Dense(3, name="b")), read(Scale(name="s"), shape=(3,)))
    assert [atom.name for atom in match.ours_left] == ["b:kernel"]


def test_the_only_weight_of_an_atom_may_have_any_name() -> None:
    one, two = read(Scale(name="s")), read(layers.Dense(4, use_bias=False), shape=(1,))
    (pair,) = match_atoms(one, two).pairs
    assert (pair.our_role("kernel"), pair.twin_role("gamma")) == ("gamma", "kernel")
    same = match_atoms(read(layers.Dense(3)), read(layers.Dense(3))).pairs[0]
    assert (same.our_role("bias"), same.twin_role("gamma")) == ("bias", None)
