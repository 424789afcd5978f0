"""The NumPy expressions of Keras's weights, evaluated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

import torch2keras as t2k
from torch2keras.explanation.weight_copies import WeightCopy, copy_weights

# layer, shape of its input, what is said of the axes of its first weight
LAYERS = {
    "conv": (nn.Conv1d(3, 5, 7), (2, 3, 11), "(out, in/groups, *k) -> (*k, in/groups, out)"),
    "depthwise": (
        nn.Conv1d(3, 6, 5, groups=3),
        (2, 3, 11),
        "(channels*m, 1, *k) -> (*k, channels, m)",
    ),
    "transposed groups": (
        nn.ConvTranspose1d(6, 4, 3, groups=2),
        (2, 6, 11),
        "(in, out, *k) -> (*k, out, in)",
    ),
    "dense": (nn.Linear(3, 5), (2, 3), "(out, in) -> (in, out)"),
    "norm": (nn.BatchNorm1d(3), (2, 3), "as it is"),
}


def copies_of(layer: nn.Module, shape: tuple[int, ...]) -> tuple[t2k.Converted, list[WeightCopy]]:
    converted = t2k.convert(layer.eval(), torch.randn(shape), verify=False)
    return converted, list(copy_weights(converted.conversion.lowered.graph))


@pytest.mark.parametrize("name", LAYERS)
def test_every_expression_gives_the_weight(name):
    layer, shape, axes = LAYERS[name]
    converted, copies = copies_of(layer, shape)
    assert copies[0].axes == axes
    state = {name: tensor.numpy() for name, tensor in layer.state_dict().items()}
    made = [eval(c.expression, {"state": state}) for c in copies]  # noqa: S307 - our own text
    assert [array.shape for array in made] == [copy.shape for copy in copies]
    held = sorted(tuple(w.numpy().ravel()) for w in converted.model.weights)
    assert sorted(tuple(array.ravel()) for array in made) == held


def test_summed_and_stacked_biases_are_numpy():
    layer = nn.LSTM(3, 5, batch_first=True)
    _, copies = copies_of(layer, (2, 7, 3))
    bias = next(copy for copy in copies if copy.keras.endswith("bias"))
    state = {name: tensor.numpy() for name, tensor in layer.state_dict().items()}
    made = eval(bias.expression, {"state": state, "np": np})  # noqa: S307 - our own text
    expected = state["bias_ih_l0"] + state["bias_hh_l0"]
    np.testing.assert_array_equal(np.sort(made), np.sort(expected))
    assert made.shape == bias.shape


def test_other_computed_weights_are_named():
    _, copies = copies_of(nn.Sequential(weight_norm(nn.Linear(3, 5))), (2, 3))
    assert any(copy.expression.startswith("folded(0.parametrizations") for copy in copies)
