"""Products with matrices: a normalization is in the weights, and a summed product is one."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import Tensor, nn

from deployed import deploy
from torch2keras.deployment_forms.products import sum_product


def spread(norm: nn.LayerNorm) -> nn.LayerNorm:
    """Return a normalization with weights that are not the initial ones."""
    for parameter in norm.parameters():
        parameter.data.normal_(1.0)
    return norm


@pytest.mark.parametrize("activation", [nn.Identity, nn.GELU])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_dense_layer_behind_a_normalization(
    affine: bool, bias: bool, activation: type[nn.Module]
) -> None:
    torch.manual_seed(0)
    norm = spread(nn.LayerNorm(7, elementwise_affine=affine))
    net = nn.Sequential(norm, nn.Linear(7, 5, bias=bias), activation())
    found = deploy(net, torch.randn(2, 11, 7)).operators
    assert found["MUL"] == 1  # of the deviation


class Attention(nn.Module):
    """Queries, keys and values of a normalized sequence, each by a layer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = spread(nn.LayerNorm(8))
        self.layers = nn.ModuleList(nn.Linear(8, 8, bias=number != 1) for number in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        parts = [layer(y).unflatten(-1, (2, 4)).transpose(1, 2) for layer in self.layers]
        return nn.functional.scaled_dot_product_attention(*parts)


def test_joined_layers_behind_a_normalization() -> None:
    torch.manual_seed(0)
    found = deploy(Attention(), torch.randn(2, 11, 8)).operators
    assert found["FULLY_CONNECTED"] == 1
    assert found["MUL"] == 1


class Weighted(nn.Module):
    """Places of a raster by a matrix that is computed, written as a sum."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x.unsqueeze(-1) * y.unsqueeze(1)).sum(-2)


def test_summed_product_is_a_product_of_matrices() -> None:
    torch.manual_seed(0)
    found = deploy(Weighted(), torch.randn(2, 23, 3), torch.randn(2, 3, 5)).operators
    assert not {"MUL", "SUM"} & set(found)
    assert found["BATCH_MATMUL"] == 1


PRODUCTS = {
    "left": ((5, 3, 1), (1, 3, 2), 1),
    "right": ((1, 3, 2), (5, 3, 1), 1),
    "first": ((3, 5, 1), (3, 1, 2), 0),
    "last": ((5, 1, 3), (1, 2, 3), 2),
    "crossed": ((1, 2, 3), (5, 1, 3), 2),
    "many": ((1, 1, 3, 2, 4), (1, 5, 3, 1, 1), 2),
    "broadcast": ((5, 3, 1), (3, 2), -2),
}
"""Shapes of two factors, and the axis of the sum."""

OTHERS = {
    "one factor": ((5, 3, 2), (1, 3, 1), 1),
    "batch": ((4, 5, 3, 1), (4, 1, 3, 2), 2),
    "not shared": ((5, 1, 1), (1, 3, 2), 1),
    "mixed": ((5, 1, 3, 4), (1, 2, 3, 1), 2),
}


def run(shapes: tuple[tuple[int, ...], tuple[int, ...], int], *, keepdims: bool) -> tuple:
    """Return what the form gives, and TensorFlow's sum."""
    one, two, axis = shapes
    rng = np.random.default_rng(0)
    x, y = [rng.standard_normal(shape).astype("float32") for shape in (one, two)]
    given = []

    @tf.function(autograph=False)
    def multiply(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        product = x * y
        found = sum_product(product, axis, keepdims=keepdims)
        given.append(found is not NotImplemented)
        return product if found is NotImplemented else found

    made = multiply(tf.constant(x), tf.constant(y))
    return given[-1], made, (x * y).sum(axis, keepdims=keepdims)


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("case", PRODUCTS)
def test_product_gives_the_sum(case: str, keepdims: bool) -> None:
    taken, found, exact = run(PRODUCTS[case], keepdims=keepdims)
    assert taken
    np.testing.assert_allclose(found, exact, atol=1e-5)


@pytest.mark.parametrize("case", OTHERS)
def test_other_sums_stay(case: str) -> None:
    taken, _, _ = run(OTHERS[case], keepdims=False)
    assert not taken
