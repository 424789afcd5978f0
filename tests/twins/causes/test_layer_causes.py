"""Settings of layers that are others."""

from __future__ import annotations

import keras
import pytest
import torch
from keras import layers
from torch import nn

from torch2keras.twins.causes.cause import CauseKind
from torch2keras.twins.causes.layer_causes import explain_layer, find_missing, static_causes
from torch2keras.twins.sides import read_sides


class First(nn.Module):
    """A recurrent layer without its states."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


def pair_of(net: nn.Module, *parts, example=None):
    model = keras.Sequential([keras.Input((12, 4)), *parts])
    sides = read_sides(net.eval(), model, example)
    (pair,) = sides.match().pairs
    return sides, pair


@pytest.mark.parametrize(
    ("net", "layer", "kinds"),
    [
        (nn.Conv1d(4, 4, 3, padding=1), layers.Conv1D(4, 3, padding="same"), []),
        (nn.Conv1d(4, 4, 3, padding=2), layers.Conv1D(4, 3, padding="same"), [CauseKind.PADDING]),
        (nn.Conv1d(4, 4, 3), layers.Conv1D(4, 3, padding="causal"), [CauseKind.CAUSAL_PADDING]),
        (nn.Conv1d(4, 4, 3, 2), layers.Conv1D(4, 3), [CauseKind.STRIDES]),
        (nn.Conv1d(4, 4, 3, dilation=2), layers.Conv1D(4, 3), [CauseKind.DILATION]),
        (nn.Conv1d(4, 4, 3), layers.Conv1D(4, 3, use_bias=False), [CauseKind.BIAS]),
        (nn.BatchNorm1d(4), layers.BatchNormalization(), [CauseKind.EPSILON]),
        (nn.GroupNorm(2, 4), layers.GroupNormalization(4, epsilon=1e-5), [CauseKind.SETTING]),
    ],
)
def test_what_is_another_is_named(net, layer, kinds) -> None:
    sides, pair = pair_of(net, layer, example=torch.randn(2, 4, 12))
    found = [c.kind for c in explain_layer(sides.module, sides.twin, pair, (12,), 0.1)]
    assert found == (kinds or [CauseKind.UNKNOWN])


def test_gates_are_compared_by_their_functions() -> None:
    net = First(nn.LSTM(4, 3, batch_first=True))
    layer = layers.LSTM(
        3, return_sequences=True, recurrent_activation="hard_sigmoid", activation="relu"
    )
    sides, pair = pair_of(net, layer, example=torch.randn(2, 12, 4))
    causes = list(explain_layer(sides.module, sides.twin, pair, (), 0.1))
    assert [cause.kind for cause in causes] == [
        CauseKind.RECURRENT_ACTIVATION,
        CauseKind.ACTIVATION,
    ]


def test_what_training_alone_shows_is_static() -> None:
    sides, pair = pair_of(
        nn.BatchNorm1d(4), layers.BatchNormalization(epsilon=1e-5), example=torch.randn(2, 4, 12)
    )
    (cause,) = static_causes(sides.module, pair)
    assert cause.kind is CauseKind.MOMENTUM
    assert "0.1 in PyTorch's sense" in cause.text


def test_a_weight_that_does_nothing_is_not_missed() -> None:
    net = nn.Conv1d(4, 4, 3)
    layer = layers.Conv1D(4, 3, use_bias=False)
    assert len(list(find_missing(*_side_and_pair(net, layer)))) == 1
    nn.init.zeros_(net.bias)
    assert list(find_missing(*_side_and_pair(net, layer))) == []


def _side_and_pair(net, layer):
    sides, pair = pair_of(net, layer, example=torch.randn(2, 4, 12))
    return sides.module, pair
