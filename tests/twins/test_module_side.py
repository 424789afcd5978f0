"""The module's side has PyTorch's names, and says what was moved."""

from __future__ import annotations

import torch
from torch import nn

import torch2keras as t2k
from torch2keras.twins.module_side import read_module_side


def test_names_and_moves_are_pytorchs() -> None:
    net = nn.Sequential(nn.Conv1d(2, 3, 3), nn.LSTM(8, 4, batch_first=True))
    net[1].forward = lambda x, lstm=net[1]: nn.LSTM.forward(lstm, x)[0]
    converted = t2k.convert(net.eval(), (torch.randn(2, 2, 10),), verify=False)
    side = read_module_side(converted.conversion, converted.model, converted.layers)
    conv, lstm = side.atoms
    assert [side.name(atom) for atom in side.atoms] == ["0", "1"]
    assert side.sources(conv, "kernel") == ["0.weight"]
    assert side.moves(conv, "kernel") == ("permute [2, 1, 0]",)
    assert side.sources(lstm, "bias") == ["1.bias_ih_l0", "1.bias_hh_l0"]
    computed = "computed from 1.bias_ih_l0 and 1.bias_hh_l0"
    assert side.moves(lstm, "bias") == (computed, "reshape [4, 4]", "reshape [16]")
