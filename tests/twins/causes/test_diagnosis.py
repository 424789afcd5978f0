"""Causes come in the order of computation, with what has no counterpart behind."""

from __future__ import annotations

import keras
import torch
from keras import layers
from torch import nn

from torch2keras.twins.causes.cause import CauseKind
from torch2keras.twins.causes.diagnosis import diagnose
from torch2keras.twins.probing import probe_match
from torch2keras.twins.sides import read_sides
from torch2keras.workarounds.float64_promotion import double_precision


def causes_of(net: nn.Module, *parts) -> list:
    model = keras.Sequential([keras.Input((12, 4)), *parts])
    sides = read_sides(net.eval(), model, (torch.randn(2, 4, 12),))
    with double_precision():
        return list(diagnose(sides, probe_match(sides, sides.make_inputs())))


def test_what_differs_comes_first() -> None:
    net = nn.Sequential(nn.Conv1d(4, 5, 3), nn.ReLU(), nn.BatchNorm1d(5), nn.Conv1d(5, 3, 1))
    causes = causes_of(
        net,
        layers.Conv1D(5, 3),
        layers.BatchNormalization(epsilon=1e-5),
        layers.Conv1D(3, 1),
        layers.Dense(7, name="extra"),
    )
    assert [cause.kind for cause in causes] == [
        CauseKind.ACTIVATION,
        CauseKind.SIZE,
        CauseKind.MOMENTUM,
    ]
    assert "no layer of the module is a Dense (kernel 3x7, bias 7)" in {c.text for c in causes}


def test_equal_ones_have_none() -> None:
    assert causes_of(nn.Conv1d(4, 5, 3), layers.Conv1D(5, 3)) == []
