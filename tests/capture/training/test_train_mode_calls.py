"""What a module calls in train mode alone is found, and what Keras's layers know is not told."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from torch2keras.capture.training.train_mode_calls import CallRecorder, compare_modes


class Noise(nn.Module):
    def forward(self, x):
        if self.training:
            x = x + torch.randn_like(x)
        return x


class Rates(nn.Module):
    """Dropout whose rate is told by the mode, as attention of transformers has it."""

    def forward(self, x):
        return functional.dropout(x, 0.3 if self.training else 0.0, training=self.training)


class EvalOnly(nn.Module):
    def forward(self, x):
        return x if self.training else x.clamp(0, 1)


class Attention(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.inner = nn.MultiheadAttention(4, 2, dropout=rate)

    def forward(self, x):
        return self.inner(x, x, x)[0]


def x_of(*shape):
    return torch.ones(shape)


# A module, the shape of its input, and the names of the calls that are told.
CASES = {
    "noise": (Noise(), (2, 4), {"randn_like", "add"}),
    "rates": (Rates(), (2, 4), {"dropout"}),
    "eval only": (EvalOnly(), (2, 4), {"clamp"}),
    "RReLU": (nn.RReLU(), (2, 4), {"rrelu"}),
    "tracking instance norm": (
        nn.InstanceNorm1d(3, track_running_stats=True),
        (2, 3, 4),
        {"instance_norm"},
    ),
    "attention": (Attention(0.1), (3, 2, 4), {"multi_head_attention_forward"}),
    "attention without dropout": (Attention(0.0), (3, 2, 4), set()),
    "dropouts": (nn.Sequential(nn.Dropout(), nn.AlphaDropout(), nn.Dropout1d()), (2, 3, 4), set()),
    "batch norm": (nn.BatchNorm1d(3), (2, 3, 4), set()),
    "cumulative batch norm": (nn.BatchNorm1d(3, momentum=None), (2, 3, 4), set()),
    "stacked LSTM": (nn.LSTM(4, 3, 2, dropout=0.5), (5, 2, 4), set()),
    "a cell": (nn.GRUCell(4, 3), (2, 4), set()),
}


def record(module, x):
    with CallRecorder({id(part): path for path, part in module.named_modules()}) as recorder:
        module(x)
    return recorder.calls


@pytest.mark.parametrize("name", CASES)
def test_what_differs_is_told(name):
    module, shape, names = CASES[name]
    in_eval = record(module.eval(), x_of(*shape))
    in_train = record(module.train(), x_of(*shape))
    told = [name for found in compare_modes(in_eval, in_train) for name in found.names]
    assert set(told) == names


def test_modules_of_one_class_are_told_together_with_the_line_of_the_first():
    net = nn.Sequential(Noise(), nn.Linear(4, 4), Noise())
    in_eval, in_train = record(net.eval(), x_of(2, 4)), record(net.train(), x_of(2, 4))
    (found,) = compare_modes(in_eval, in_train)
    assert found.paths == {"0", "2"}
    assert "0, 2 (Noise)" in found.note()
    assert "test_train_mode_calls.py:" in found.note()


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Noise()

    def forward(self, x):
        return self.inner(x * 2) if self.training else x


def test_what_lies_within_a_module_that_is_told_is_not_told_again():
    net = nn.Sequential(Head())
    in_eval, in_train = record(net.eval(), x_of(2, 4)), record(net.train(), x_of(2, 4))
    (found,) = compare_modes(in_eval, in_train)
    assert found.paths == {"0"}
