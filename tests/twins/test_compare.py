"""Mistakes as people make them, each named with its layer; equal twins have none."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

import torch2keras as t2k
from torch2keras.twins.causes.cause import CauseKind
from twin_nets import NETS, make_pair

MISTAKES = [
    ("conv", "same", CauseKind.PADDING, "c1", "c1", "pads 2 and 2, the twin 1 and 2"),
    ("conv", "causal", CauseKind.CAUSAL_PADDING, "c2", "c2", "pads 1 and 1, the twin 2 and 0"),
    ("conv", "epsilon", CauseKind.EPSILON, "b1", "b1", "epsilon=0.001 where the module's is 1e-05"),
    ("conv", "momentum", CauseKind.MOMENTUM, "b1", "b1", "momentum=0.99"),
    ("conv", "slope", CauseKind.SLOPE, "act", "leaky", "slope 0.3, the module's is 0.01"),
    ("conv", "ceil_mode", CauseKind.CEIL_MODE, "pool", "pool", "ceil_mode=True"),
    ("conv", "pooling", CauseKind.POOLING, "pool", "pool", "average pooling where"),
    ("conv", "count_include_pad", CauseKind.COUNT_INCLUDE_PAD, "average", "average", "=True"),
    ("conv", "gelu", CauseKind.TANH_GELU, "b2", "gelu", "its approximation by tanh"),
    ("conv", "dropout", CauseKind.DROPOUT, "drop", "drop", "0.5, the module's is 0.3"),
    ("conv", "activation", CauseKind.ACTIVATION, "fc1", "fc1", "relu is missing"),
    ("conv", "bias", CauseKind.BIAS, "c1", "c1", "no bias"),
    ("recurrent", "recurrent_activation", CauseKind.RECURRENT_ACTIVATION, "lstm", "lstm", "hard"),
    ("recurrent", "reset_after", CauseKind.RESET_AFTER, "gru", "gru", "use reset_after=True"),
    ("image", "strides", CauseKind.STRIDES, "stem", "stem", "strides=1 where the module's are 2"),
    ("image", "softmax", CauseKind.ACTIVATION, "fc", "fc", "softmax over axis 1 is missing"),
    (
        "attention",
        "softmax axis",
        CauseKind.AXIS,
        "query",
        "scores",
        "axis 1, the module's is over",
    ),
    ("attention", "norm axis", CauseKind.AXIS, "norm2", "norm2", "normalises another axis"),
    ("attention", "relu", CauseKind.ACTIVATION, "wide", "wide", "relu where the module has gelu"),
]
"""A net, its mistake, and the first cause: what it is, the two layers, and what is said."""


@pytest.mark.parametrize("name", NETS)
def test_equal_twins_are_equal(name: str) -> None:
    net, twin, x = make_pair(name)
    before = twin.get_weights()
    comparison = t2k.compare(net, twin, (x,))
    assert comparison.equal
    assert comparison.ok
    assert comparison.causes == ()
    assert comparison.mapping.guessed == ()
    assert comparison.own_weights.equal == 0
    assert str(comparison).startswith("equal by equal weights and inputs; 0 of")
    assert all(np.array_equal(a, b) for a, b in zip(before, twin.get_weights(), strict=True))


@pytest.mark.parametrize(("name", "mistake", "kind", "torch_name", "keras_name", "text"), MISTAKES)
def test_a_mistake_is_named_with_its_layer(
    name: str, mistake: str, kind: CauseKind, torch_name: str, keras_name: str, text: str
) -> None:
    net, twin, x = make_pair(name, mistake)
    comparison = t2k.compare(net, twin, (x,))
    first, *others = comparison.causes
    assert (first.kind, first.torch, first.keras) == (kind, torch_name, keras_name)
    assert text in first.text
    assert {cause.kind for cause in others} <= {CauseKind.SIZE}
    assert comparison.equal == (kind in (CauseKind.MOMENTUM, CauseKind.DROPOUT))
    assert not comparison.ok
    assert json.loads(json.dumps(comparison.as_dict()))["causes"][0]["kind"] == kind.value


def test_several_mistakes_are_all_found() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv1d(3, 4, 3, 2, 1)
            self.b = nn.Conv1d(4, 5, 3)

        def forward(self, x):
            return torch.tanh(self.b(torch.relu(self.a(x))))

    x = inputs = keras.Input((20, 3))
    x = layers.Conv1D(4, 3, 2, padding="same", activation="elu", name="a")(x)
    x = layers.Conv1D(5, 3, activation="sigmoid", name="b")(x)
    comparison = t2k.compare(Net().eval(), keras.Model(inputs, x))
    assert [(cause.kind, cause.keras) for cause in comparison.causes] == [
        (CauseKind.PADDING, "a"),
        (CauseKind.ACTIVATION, "a"),
        (CauseKind.ACTIVATION, "b"),
    ]


def swap_gates(net: nn.Module, twin: keras.Model) -> None:
    cell = twin.get_layer("gru").cell
    for variable in (cell.kernel, cell.recurrent_kernel, cell.bias):
        z, r, h = np.split(np.asarray(variable), 3, axis=-1)
        variable.assign(np.concatenate([r, z, h], -1))


def take_one_bias(net: nn.Module, twin: keras.Model) -> None:
    cell = twin.get_layer("lstm").forward_layer.cell
    cell.bias.assign(net.lstm.bias_ih_l0.detach().numpy())


def copy_rows(net: nn.Module, twin: keras.Model) -> None:
    twin.get_layer("fc").kernel.assign(net.fc.weight.detach().numpy().T)


def turn_kernel(net: nn.Module, twin: keras.Model) -> None:
    twin.get_layer("out").kernel.assign(net.out.weight.detach().numpy())


def forget_statistics(net: nn.Module, twin: keras.Model) -> None:
    norm = twin.get_layer("b1")
    norm.moving_mean.assign(np.zeros(8))


@pytest.mark.parametrize(
    ("name", "spoil", "kind", "layer", "text"),
    [
        ("recurrent", swap_gates, CauseKind.GATE_ORDER, "gru", "stand in the order r, z, h"),
        ("recurrent", take_one_bias, CauseKind.BIAS, "lstm:forward", "is lstm.bias_ih_l0 alone"),
        ("image", copy_rows, CauseKind.FLATTEN_ORDER, "fc", "rows are in PyTorch's order"),
        ("attention", turn_kernel, CauseKind.WEIGHT, "out", "it is transposed"),
        ("conv", forget_statistics, CauseKind.WEIGHT, "b1", "mean: still all 0"),
    ],
)
def test_a_mistake_in_copied_weights_is_named(name, spoil, kind, layer, text) -> None:
    net, twin, x = make_pair(name)
    t2k.transfer(net, twin, (x,))
    assert t2k.compare(net, twin, (x,)).ok
    spoil(net, twin)
    comparison = t2k.compare(net, twin, (x,))
    (cause,) = comparison.causes
    assert comparison.equal
    assert not comparison.ok
    assert (cause.kind, cause.keras) == (kind, layer)
    assert text in cause.text
    assert comparison.own_weights.equal < comparison.own_weights.compared
