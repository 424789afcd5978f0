"""Inputs and outputs of a twin, in whatever order it has them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

from torch2keras.conversion.ports import Port
from torch2keras.errors import InputError
from torch2keras.twins.steps import read_steps
from torch2keras.twins.twin_ports import (
    arrange_output,
    find_input_order,
    find_twin_ports,
    fits,
    make_example,
    run_twin,
)


def port(torch_shape, permutation) -> Port:
    stored = tuple(torch_shape[dim] for dim in permutation)
    return Port("x", "float32", torch_shape, stored, "", permutation)


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((None, 20, 3), (0, 2, 1)),
        ((None, 3, 20), (0, 1, 2)),
        ((None, None, 3), (0, 2, 1)),
        ((None, 20, 4), None),
        ((None, 20, 3, 1), None),
    ],
)
def test_the_order_of_dimensions_is_read_off_the_sizes(shape, order) -> None:
    assert find_input_order(port((None, 3, 20), (0, 2, 1)), shape) == order


def test_a_channel_of_one_may_be_missing() -> None:
    order = find_input_order(port((None, 1, 20), (0, 2, 1)), (None, 20))
    assert order == (0, 2)
    assert fits((None, 20), (5, 20))
    x = keras.Input((20,))
    model = keras.Model(x, layers.Dense(2)(x))
    ports = find_twin_ports(read_steps(model), [port((None, 1, 20), (0, 2, 1))])
    assert run_twin(model, ports, [torch.randn(2, 1, 20)])[0].shape == (2, 2)


def test_inputs_that_do_not_fit_are_refused() -> None:
    x = keras.Input((20, 4))
    graph = read_steps(keras.Model(x, layers.Dense(2)(x)))
    with pytest.raises(InputError, match="does not fit"):
        find_twin_ports(graph, [port((None, 3, 20), (0, 2, 1))])
    with pytest.raises(InputError, match="2 inputs"):
        find_twin_ports(graph, [port((None, 3, 20), (0, 2, 1))] * 2)


def test_inputs_by_name_come_in_their_order() -> None:
    inputs = {"b": keras.Input((2,), name="b"), "a": keras.Input((3,), name="a")}
    model = keras.Model(inputs, layers.Dense(2)(inputs["b"]))
    ports = find_twin_ports(read_steps(model), [port((None, 3), (0, 1)), port((None, 2), (0, 1))])
    assert run_twin(model, ports, [torch.randn(4, 3), torch.randn(4, 2)])[0].shape == (4, 2)


def test_outputs_come_in_the_twins_order() -> None:
    ours = np.random.default_rng(0).normal(size=(2, 3, 4))
    last = port((2, 3, 4), (0, 2, 1))
    assert arrange_output(ours, last, np.zeros((2, 4, 3))).shape == (2, 4, 3)
    assert arrange_output(ours, last, np.zeros((2, 3, 4))).shape == (2, 3, 4)
    square = np.random.default_rng(0).normal(size=(2, 3, 3))
    turned = square.transpose(0, 2, 1)
    same = port((2, 3, 3), (0, 2, 1))
    assert (arrange_output(square, same, turned) == turned).all()
    assert (arrange_output(square, same, square) == square).all()


def test_an_example_is_made_of_the_twins_sizes() -> None:
    x = keras.Input((20, 4))
    graph = read_steps(keras.Model(x, layers.Conv1D(2, 3)(x)))
    (example,) = make_example(nn.Conv1d(4, 2, 3), graph)
    assert tuple(example.shape) == (2, 4, 20)
    (example,) = make_example(nn.Linear(4, 2), graph)
    assert tuple(example.shape) == (2, 20, 4)
    with pytest.raises(InputError, match="runs on none"):
        make_example(nn.Linear(7, 2), graph)
    x = keras.Input((None, 4))
    with pytest.raises(InputError, match="unknown sizes"):
        make_example(nn.Linear(4, 2), read_steps(keras.Model(x, layers.Dense(2)(x))))
