"""Formulas that are exact in float64, where those of Keras on TensorFlow are not."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from torch2keras.runtime.arrays import to_numpy
from torch2keras.workarounds.float64_formulas import (
    exact_gelu,
    exact_leaky_relu,
    widen_attention_scale,
)
from torch2keras.workarounds.float64_promotion import double_precision

X = torch.linspace(-5, 5, 997, dtype=torch.float64)

# PyTorch's function, Keras's own, and ours
FORMULAS = {
    "gelu": (
        F.gelu,
        lambda x: keras.ops.gelu(x, approximate=False),
        lambda x: exact_gelu(keras.ops, x),
    ),
    "gelu by tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: keras.ops.gelu(x, approximate=True),
        lambda x: exact_gelu(keras.ops, x, "tanh"),
    ),
    "leaky_relu": (
        lambda x: F.leaky_relu(x, 0.1),
        lambda x: keras.ops.leaky_relu(x, negative_slope=0.1),
        lambda x: exact_leaky_relu(keras.ops, x, 0.1),
    ),
}


def relative_error(function, exact: torch.Tensor) -> float:
    with double_precision():
        found = to_numpy(function(keras.ops.convert_to_tensor(X.numpy())))
    assert found.dtype == np.float64
    return float(np.abs(found - exact.numpy()).max() / exact.abs().max())


@pytest.mark.parametrize("name", FORMULAS)
def test_ours_is_exact(name: str) -> None:
    theirs, _, ours = FORMULAS[name]
    assert relative_error(ours, theirs(X)) < 1e-15


@pytest.mark.parametrize("name", FORMULAS)
def test_that_of_keras_still_has_constants_in_float32(name: str) -> None:
    """Where this fails, TensorFlow computes the function in float64, and the workaround can go."""
    theirs, kerass, _ = FORMULAS[name]
    assert relative_error(kerass, theirs(X)) > 1e-10


def attention_error(layer: keras.layers.MultiHeadAttention) -> float:
    """The relative error of the scores' scale, seen in one head of identity projections."""
    x = np.random.default_rng(0).normal(size=(1, 5, 3))
    with double_precision():
        given = keras.ops.convert_to_tensor(x)
        layer.build(given.shape, given.shape)
        for weight in layer.weights:
            weight.assign(np.eye(3).reshape(weight.shape))
        found = to_numpy(layer(given, given))
    scores = x[0] @ x[0].T / math.sqrt(3)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    exact = weights @ x[0]
    return float(np.abs(found[0] - exact).max() / np.abs(exact).max())


def test_attention_is_exact_once_its_scale_is_widened() -> None:
    layer = keras.layers.MultiHeadAttention(1, 3, use_bias=False, dtype="float64")
    widen_attention_scale(layer)
    assert attention_error(layer) < 1e-15


def test_attention_still_has_its_scale_in_float32() -> None:
    """Where this fails, TensorFlow multiplies in float64, and the workaround can go."""
    assert (
        attention_error(keras.layers.MultiHeadAttention(1, 3, use_bias=False, dtype="float64"))
        > 1e-10
    )
