"""Paddings as numbers."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from torch2keras.twins.atoms import find_atoms
from torch2keras.twins.causes.pads import add_pads, find_pads, same_pads, say_pads, say_short
from torch2keras.twins.steps import read_steps


@pytest.mark.parametrize(
    ("size", "window", "stride", "pads"),
    [(100, 5, 2, (1, 2)), (101, 5, 2, (2, 2)), (10, 3, 1, (1, 1)), (10, 1, 2, (0, 0))],
)
def test_same_puts_the_odd_one_behind(size, window, stride, pads) -> None:
    assert same_pads([size], [window], [stride]) == [pads]


@pytest.mark.parametrize(
    ("parts", "pads"),
    [
        ([layers.ZeroPadding1D((1, 3)), layers.Conv1D(2, 3)], [(1, 3)]),
        ([layers.Conv1D(2, 3, dilation_rate=2, padding="causal")], [(4, 0)]),
        ([layers.ZeroPadding1D(1), layers.Conv1D(2, 3, padding="same")], [(2, 2)]),
        ([layers.Conv1D(2, 4, 2, padding="same")], [(1, 1)]),
    ],
)
def test_layers_in_front_count(parts, pads) -> None:
    graph = read_steps(keras.Sequential([keras.Input((12, 3)), *parts]))
    (atom,) = find_atoms(graph)
    assert find_pads(graph, atom, (12,)) == pads


def test_paddings_are_said_shortly() -> None:
    assert add_pads([(1, 0), (2, 2)], [(0, 1), (0, 0)]) == [(1, 1), (2, 2)]
    assert say_pads([(1, 1), (1, 1)]) == "1 and 1"
    assert say_pads([(1, 1), (0, 1)]) == "1 and 1; 0 and 1"
    assert (say_short([2, 2]), say_short([2, 1])) == ("2", "(2, 1)")
