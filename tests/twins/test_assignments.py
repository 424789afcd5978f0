"""What the twin's variables are to hold, when something has no counterpart."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

from torch2keras.twins.assignments import list_weights, take_back
from torch2keras.twins.sides import read_sides
from twin_nets import settle


def plan_of(net: nn.Module, *parts: layers.Layer):
    model = keras.Sequential([keras.Input((12, 3)), *parts])
    sides = read_sides(net, model)
    return sides.plan(sides.match()), model


def test_a_plan_is_written_and_taken_back() -> None:
    net = nn.Conv1d(3, 4, 3)
    plan, model = plan_of(net, layers.Conv1D(4, 3))
    before = model.get_weights()
    held = plan.apply()
    assert np.array_equal(model.get_weights()[0], net.weight.detach().numpy().transpose(2, 1, 0))
    take_back(held)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert sorted(list_weights(plan.rows)) == ["bias", "weight"]


def test_a_bias_that_only_the_twin_has_is_zero() -> None:
    plan, model = plan_of(nn.Conv1d(3, 4, 3, bias=False), layers.Conv1D(4, 3, name="c"))
    assert plan.is_complete
    assert plan.moved == ["c bias: only in the Keras model, all 0"]
    assert not plan.get(model.layers[0].bias).any()


def test_a_bias_that_only_the_module_has_is_left_over_unless_it_is_zero() -> None:
    net = nn.Conv1d(3, 4, 3)
    plan, _ = plan_of(net, layers.Conv1D(4, 3, use_bias=False, name="c"))
    assert plan.torch_left == ["bias: c has no bias"]
    with torch.no_grad():
        net.bias.zero_()
    plan, _ = plan_of(net, layers.Conv1D(4, 3, use_bias=False, name="c"))
    assert plan.is_complete


@pytest.mark.parametrize("bias", [True, False])
def test_a_factor_goes_into_the_layer_before(bias: bool) -> None:
    net = settle(nn.Sequential(nn.Conv1d(3, 4, 3, bias=bias), nn.BatchNorm1d(4)))
    plan, model = plan_of(
        net,
        layers.Conv1D(4, 3, use_bias=bias),
        layers.BatchNormalization(scale=False, epsilon=1e-5),
    )
    plan.apply()
    assert plan.is_complete
    x = torch.randn(2, 3, 12)
    ours = np.asarray(model(x.permute(0, 2, 1).numpy()))
    assert np.allclose(ours, net(x).detach().permute(0, 2, 1).numpy(), atol=1e-5)


def test_a_norm_goes_into_the_layer_before() -> None:
    net = settle(nn.Sequential(nn.Conv1d(3, 4, 3, bias=False), nn.BatchNorm1d(4)))
    plan, model = plan_of(net, layers.Conv1D(4, 3))
    plan.apply()
    assert plan.moved[-1].startswith("1: multiplied into")
    x = torch.randn(2, 3, 12)
    ours = np.asarray(model(x.permute(0, 2, 1).numpy()))
    assert np.allclose(ours, net(x).detach().permute(0, 2, 1).numpy(), atol=1e-5)
    plan, _ = plan_of(net, layers.Conv1D(4, 3, use_bias=False))
    assert not plan.is_complete
