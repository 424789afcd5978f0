"""Recurrent layers as graphs: the same numbers for any batch and length, traced once."""

from __future__ import annotations

import keras
import numpy as np

from torch2keras.keras_model.recurrent_graphs import as_graph, compile_recurrence
from torch2keras.runtime.arrays import to_numpy


def test_one_graph_serves_all_sizes_that_are_dynamic() -> None:
    traced = []

    def double(x):
        traced.append(x.shape)
        return x * 2

    run = as_graph(double, (keras.KerasTensor((None, 3)),))
    for batch in (2, 5):
        assert np.array_equal(to_numpy(run(keras.ops.ones((batch, 3)))), np.full((batch, 3), 2))
    assert [tuple(shape) for shape in traced] == [(None, 3)]


def test_a_layer_as_a_graph_gives_its_own_numbers() -> None:
    layer = keras.layers.LSTM(5, return_sequences=True)
    run = compile_recurrence(layer)
    for shape in ((2, 7, 3), (4, 11, 3)):
        x = keras.random.normal(shape, seed=0)
        np.testing.assert_allclose(to_numpy(run(x)), to_numpy(layer(x)), rtol=1e-5, atol=1e-6)


def test_initial_states_have_a_graph_of_their_own() -> None:
    layer = keras.layers.GRU(5)
    run = compile_recurrence(layer)
    x, state = keras.ops.ones((2, 7, 3)), keras.ops.ones((2, 5))
    first = to_numpy(run(x))
    np.testing.assert_allclose(
        to_numpy(run(x, state)), to_numpy(layer(x, state)), rtol=1e-5, atol=1e-6
    )
    assert not np.allclose(to_numpy(run(x, state)), first)


def test_a_mask_of_any_length_has_a_graph_of_its_own() -> None:
    layer = keras.layers.Bidirectional(keras.layers.GRU(5, return_sequences=True))
    run = compile_recurrence(layer)
    for shape, steps in (((2, 7, 3), [[7], [2]]), ((3, 11, 3), [[1], [5], [11]])):
        x = keras.random.normal(shape, seed=0)
        mask = keras.ops.less(keras.ops.arange(shape[1]), keras.ops.convert_to_tensor(steps))
        found, whole = to_numpy(run(x, mask=mask)), to_numpy(run(x))
        np.testing.assert_allclose(found, to_numpy(layer(x, mask=mask)), rtol=1e-5, atol=1e-6)
        assert not np.allclose(found, whole)
