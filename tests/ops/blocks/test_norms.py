"""Roots and norms: their values against PyTorch's, and their slope at zero."""

from __future__ import annotations

import math

import pytest
import tensorflow as tf
import torch

import torch2keras as t2k
from op_case import Function
from recorded import record
from torch2keras.ops.blocks.norms import root, vector_norm


@pytest.mark.parametrize("order", [2, 3, 0.5])
def test_a_root(order: float) -> None:
    x = torch.tensor([0.0, 1e-12, 0.7, 8.0, math.inf])
    found = record(lambda x: root(x, order), x)
    assert torch.allclose(found.result, x ** (1 / order))


def test_the_slope_of_a_root_is_zero_at_zero() -> None:
    """As is the slope of a norm of zeros in PyTorch, where that of a square root is infinite."""
    converted = t2k.convert(
        Function(lambda x: torch.linalg.vector_norm(x, dim=1)), torch.ones(2, 3)
    )
    x = tf.constant([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = converted.model(x)
    slopes = torch.from_numpy(tape.gradient(y, x).numpy())
    assert torch.allclose(slopes, torch.tensor([[0, 0, 0], [0.6, 0, 0.8]]))


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3, math.inf, -math.inf])
@pytest.mark.parametrize("dim", [(0,), (0, 2), None])
def test_norms_of_each_order(order: float, dim: tuple[int, ...] | None) -> None:
    x = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0))
    x[0, 0, 0] = 0.0
    for keep in (False, True):
        expected = torch.linalg.vector_norm(x, order, dim, keepdim=keep)
        found = record(lambda x, keep=keep: vector_norm(x, order, dim, keepdims=keep), x)
        assert found.result.shape == expected.shape
        assert torch.allclose(found.result, expected, rtol=1e-5)
