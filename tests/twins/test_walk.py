"""Both sides step by step."""

from __future__ import annotations

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

from torch2keras.twins.probing import probe_match
from torch2keras.twins.sides import read_sides
from torch2keras.twins.steps import read_steps
from torch2keras.twins.walk import (
    MeetingPoint,
    Where,
    channel_axes,
    find_rows,
    is_zero_padding,
    list_checkpoints,
    measure_error,
    skip_padding,
)
from torch2keras.workarounds.float64_promotion import double_precision
from twin_nets import make_pair


def walk_pair(name: str, mistake: str = ""):
    net, twin, x = make_pair(name, mistake)
    sides = read_sides(net, twin, (x,))
    with double_precision():
        return sides, probe_match(sides, sides.make_inputs())


def test_equal_twins_never_part() -> None:
    _, probed = walk_pair("image")
    assert probed.walk.divergences == []
    assert probed.walk.stopped == ""


def test_each_mistake_is_found_where_it_arises() -> None:
    _, probed = walk_pair("conv", "slope")
    (divergence,) = probed.walk.divergences
    assert divergence.checkpoint.where is Where.ENTERS
    assert divergence.checkpoint.pair.twin.name == "c2"
    assert divergence.error > 0.01


def test_zeros_in_front_belong_to_the_convolution() -> None:
    sides, probed = walk_pair("conv")
    first = list_checkpoints(sides.module, sides.twin, probed.match.pairs)[0]
    assert (first.ours, first.twin) == (sides.module.graph.inputs[0], sides.twin.inputs[0])
    made = sides.twin.made
    assert skip_padding(made, probed.match.pairs[0].twin.enters) == sides.twin.inputs[0]
    x = inputs = keras.Input((9, 4))
    steps = read_steps(keras.Model(inputs, keras.ops.pad(x, [(0, 0), (1, 1), (0, 0)]))).steps
    assert is_zero_padding(steps[0])
    infinite = keras.ops.pad(x, [(0, 0), (1, 1), (0, 0)], constant_values=-1.0)
    assert not is_zero_padding(read_steps(keras.Model(inputs, infinite)).steps[0])


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.fc = nn.Linear(64, 5)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


def test_rows_behind_a_flatten_follow_the_twin() -> None:
    torch.manual_seed(0)
    net = Flat().eval()
    x = inputs = keras.Input((4, 4, 3))
    y = layers.Permute((3, 1, 2))(layers.Conv2D(4, 3, padding="same")(x))
    model = keras.Model(inputs, layers.Dense(5, name="fc")(layers.Flatten()(y)))
    sides = read_sides(net, model)
    with double_precision():
        probed = probe_match(sides, sides.make_inputs())
    assert probed.walk.divergences == []
    (rows,) = probed.walk.rows.values()
    assert sorted(rows.tolist()) == list(range(64))
    kernel = probed.plan.get(model.get_layer("fc").kernel)
    assert np.array_equal(kernel, net.fc.weight.detach().numpy().T)
    pair = probed.match.pairs[-1]
    checkpoint = MeetingPoint(pair.ours.enters, pair.twin.enters, Where.ENTERS, pair)
    orders = list(find_rows((sides.module.graph, sides.twin), checkpoint))
    assert any(np.array_equal(rows, order) for order in orders)


def test_an_error_is_relative_to_the_largest() -> None:
    assert measure_error(np.array([100.0, 0.0]), np.array([100.0, 1.0])) == 0.01
    assert measure_error(np.ones(3), np.ones(3)) == 0.0
    assert measure_error(np.ones(3), np.ones(4)) == float("inf")
    assert measure_error(np.zeros(3), np.ones(3)) == 1.0


def test_channels_are_where_each_side_has_them() -> None:
    net = nn.Sequential(nn.BatchNorm1d(4), nn.ReLU()).eval()
    x = inputs = keras.Input((6, 4))
    model = keras.Model(inputs, layers.ReLU()(layers.BatchNormalization(epsilon=1e-5)(x)))
    sides = read_sides(net, model, (torch.randn(2, 4, 6),))
    with double_precision():
        probed = probe_match(sides, sides.make_inputs())
    assert probed.walk.divergences == []
    (pair,) = probed.match.pairs
    assert channel_axes(pair, 3)[1] == 2
