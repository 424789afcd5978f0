"""From the gradient of a Keras weight to those of parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.training.weight_gradients import (
    count_copies,
    find_leaves,
    map_state,
    pull_back,
)


class Recurrent(nn.Module):
    """An LSTM, whose two biases are one in Keras, and a GRU, whose two stand side by side."""

    def __init__(self):
        super().__init__()
        self.lstm, self.gru = nn.LSTM(3, 4, batch_first=True), nn.GRU(4, 2, batch_first=True)
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))

    def forward(self, x):
        return self.head(self.gru(self.lstm(x)[0])[0])


@pytest.fixture(scope="module")
def conversion():
    torch.manual_seed(0)
    module = Recurrent().eval()
    return t2k.convert(module, (torch.randn(2, 5, 3),), verify=False).conversion


def weights(conversion):
    found = {}
    for call, attribute, weight in conversion.lowered.graph.weights():
        found[f"{call.name}.{attribute}"] = weight
    return found


@pytest.mark.parametrize(
    ("name", "copies"),
    [
        ("lstm.cell.bias", 2),
        ("lstm.cell.kernel", 1),
        ("gru.cell.bias", 1),
        ("head.kernel", None),
        ("head.bias", 1),
    ],
)
def test_of_how_many_parameters_a_weight_is_the_sum(conversion, name, copies):
    weight = weights(conversion)[name]
    assert count_copies(weight, find_leaves(conversion, weight)) == copies


def test_both_biases_get_the_gradient_of_their_sum(conversion):
    weight = weights(conversion)["lstm.cell.bias"]
    gradient = np.random.default_rng(0).standard_normal(weight.shape)
    parts = dict(pull_back(conversion, weight, gradient))
    assert set(parts) == {"lstm.bias_ih_l0", "lstm.bias_hh_l0"}
    np.testing.assert_array_equal(*parts.values())
    assert sorted(parts["lstm.bias_ih_l0"]) == sorted(gradient)


def test_state_goes_the_way_of_the_weight(conversion):
    parameters = dict(conversion.module.named_parameters())
    for name in ("lstm.cell.kernel", "gru.cell.bias"):
        weight = weights(conversion)[name]
        own = {path: parameters[path] for path in find_leaves(conversion, weight)}
        np.testing.assert_allclose(map_state(weight, own, 1), weight.values().numpy(), rtol=1e-6)
