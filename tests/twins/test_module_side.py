"""The module's side has PyTorch's names, and says what was moved."""

from __future__ import annotations

import torch
from torch import nn

import torch2keras as t2k
from torch2keras.twins.module_side import describe_moves, read_module_side


def test_names_and_moves_are_pytorchs() -> None:
    net = nn.Sequential(nn.Conv1d(2, 3, 3), nn.LSTM(8, 4, batch_first=True))
    net[1].forward = lambda x, lstm=net[1]: nn.LSTM.forward(lstm, x)[0]
    converted = t2k.convert(net.eval(), (torch.randn(2, 2, 10),), verify=False)
    side = read_module_side(converted.conversion, converted.model, converted.layers)
    conv, lstm = side.atoms
    assert [side.name(atom) for atom in side.atoms] == ["0", "1"]
    assert side.sources(conv, "kernel") == ["0.weight"]
    assert side.moves(conv, "kernel") == ("axes in the order (2, 1, 0)",)
    assert side.sources(lstm, "bias") == ["1.bias_ih_l0", "1.bias_hh_l0"]
    assert side.moves(lstm, "bias") == ("computed from 1.bias_ih_l0 and 1.bias_hh_l0",)


def test_a_change_of_shape_is_no_move() -> None:
    net = nn.Linear(3, 4)
    converted = t2k.convert(net.eval(), (torch.randn(2, 3),), verify=False)
    (weight,) = (w for _, name, w in converted.conversion.lowered.graph.weights() if name == "bias")
    assert describe_moves(weight.reshape(2, 2).flip(0).moves) == ["axes (0,) backwards"]
    assert describe_moves(weight.narrow(0, 1, 3).take(0, (1, 0)).moves) == [
        "elements 1 to 3 of axis 0",
        "elements of axis 0 in another order",
    ]
