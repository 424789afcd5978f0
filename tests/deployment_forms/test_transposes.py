"""Transposes of many dimensions are some of few, and none where nothing moves."""

from __future__ import annotations

import random

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import Tensor, nn

from deployed import deploy
from torch2keras.deployment_forms.transposes import MOST_DIMS, merge_dims, move_to_front, transpose
from torch2keras.keras_graph.graph import Call

CALL = Call("ops.transpose", (), {}, ())


class Windows(nn.Module):
    """A transpose of eight dimensions, none of which stays beside its neighbour."""

    def forward(self, x: Tensor) -> Tensor:
        parts = x.view(x.shape[0], 2, 3, 2, 3, 2, 3, 2) * 2
        return torch.tanh(parts.permute(0, 7, 2, 5, 4, 3, 6, 1)) + 1


def test_transpose_of_eight_dimensions_runs() -> None:
    found = deploy(Windows(), torch.randn(2, 432), layout="torch").operators
    assert found["TRANSPOSE"] >= 1


@pytest.mark.parametrize("seed", range(20))
def test_any_order_gives_the_same_elements(seed: int) -> None:
    shuffled = random.Random(seed)
    rank = shuffled.randint(3, 8)
    shape = [shuffled.choice([1, 2, 3]) for _ in range(rank)]
    order = list(range(rank))
    shuffled.shuffle(order)
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    found = transpose(CALL, tf.constant(x), order)
    if found is not NotImplemented:
        np.testing.assert_array_equal(found, x.transpose(order))


def test_neighbours_are_one_dimension() -> None:
    assert merge_dims([2, 3, 1, 5], [3, 2, 0, 1]) == ([6, 5], [1, 0])
    assert merge_dims([2, 3, 5], [2, 0, 1]) == ([6, 5], [1, 0])
    assert merge_dims([2, 1, 5], [1, 0, 2]) == ([10], [0])


def test_each_step_leaves_fewer_dimensions() -> None:
    sizes, moves = [2] * 8, [7, 5, 3, 1, 6, 4, 2, 0]
    x = np.arange(256, dtype="float32").reshape(sizes)
    expected = x.transpose(moves)
    left = tf.constant(x)
    while len(sizes) > MOST_DIMS:
        before = len(sizes)
        left, sizes, moves = move_to_front(left, sizes, moves)
        assert len(sizes) < before
    found = tf.transpose(tf.reshape(left, sizes), moves)
    np.testing.assert_array_equal(tf.reshape(found, expected.shape), expected)


def test_dimensions_of_one_move_by_a_reshape() -> None:
    found = transpose(CALL, tf.ones((2, 1, 5)), [1, 0, 2])
    assert found.shape == (1, 2, 5)
