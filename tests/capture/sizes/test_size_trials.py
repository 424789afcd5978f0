"""Module and captured graph are compared at other sizes, each once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from exported import Calls
from torch2keras.capture.attempts import Attempt, export_once
from torch2keras.capture.captured import Captured
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.sizes.dynamic_batch import default_examples
from torch2keras.capture.sizes.size_trials import (
    Outcome,
    SizeTrials,
    find_symbols,
    resize_example,
)
from torch2keras.capture.training.custom_functions import FunctionTable

X = torch.linspace(-2, 2, 15).reshape(5, 3)


def trials_of(module: nn.Module, *inputs: torch.Tensor) -> SizeTrials:
    call = bind_example(module.eval(), inputs, {})
    exported = export_once(module, Attempt(default_examples(call)[0]), FunctionTable())
    captured = Captured(exported.program, exported.program.graph_module, strict=False, notes=())
    return SizeTrials(call, exported, captured, find_symbols(exported))


def above(x):
    return x * 2 if x.shape[0] > 8 else x


def other_shape(x):
    return x[:1] if x.shape[0] > 8 else x


def other_dtype(x):
    return x.double() if x.shape[0] > 8 else x


def slightly(x):
    return x * (1 + 1e-3) if x.shape[0] > 8 else x


def rounding(x):
    return x * (1 + 1e-6) if x.shape[0] > 8 else x


def refused(x):
    if x.shape[0] > 8:
        raise ValueError
    return x


def half_rounding(x):
    return (x * (1 + 1e-3) if x.shape[0] > 8 else x * 1).half()


OUTCOMES = [
    (above, Outcome.DIFFERS),
    (other_shape, Outcome.DIFFERS),
    (other_dtype, Outcome.DIFFERS),
    (slightly, Outcome.DIFFERS),
    (rounding, Outcome.AGREES),
    (half_rounding, Outcome.AGREES),
    (refused, Outcome.RAISES),
]


@pytest.mark.parametrize(("function", "outcome"), OUTCOMES)
def test_what_module_and_graph_do_at_another_size(function, outcome):
    trials = trials_of(Calls(function), X)
    (symbol,) = trials.sizes
    assert trials.try_size(symbol, 7) is Outcome.AGREES
    assert trials.try_size(symbol, 11) is outcome


def test_a_size_is_tried_once():
    calls = []

    class Counts(nn.Module):
        def forward(self, x):
            calls.append(x.shape[0])
            return x * 2

    trials = trials_of(Counts(), X)
    (symbol,) = trials.sizes
    calls.clear()
    trials.try_size(symbol, 11)
    trials.try_size(symbol, 11)
    assert calls == [11]


@pytest.mark.parametrize("size", [2, 13])
def test_an_example_is_repeated_or_cut_along_its_dynamic_dims(size):
    trials = trials_of(nn.Linear(3, 7), X)
    (symbol,) = trials.sizes
    (resized,) = resize_example(trials.exported, {symbol: size}).tensors()
    torch.testing.assert_close(resized, torch.cat([X, X, X])[:size], rtol=0, atol=0)
