"""The attempts of an export come in their order, and values are asked for last."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from exported import Calls
from torch2keras.capture.attempts import Attempt, export_once, plan_attempts
from torch2keras.capture.captured import user_values
from torch2keras.capture.example_inputs import Example
from torch2keras.capture.sizes.dynamic_shapes import leave_to_export
from torch2keras.capture.training.custom_functions import FunctionTable
from torch2keras.fx_passes.fake_values import size_as_number

X = torch.randn(2, 3, 11)
FIRST, SECOND = Example((X,), {}), Example((X, X), {})


def test_all_examples_are_tried_in_each_way():
    attempts = list(plan_attempts([FIRST, SECOND], list))
    assert [attempt.example for attempt in attempts] == [FIRST, SECOND] * 3
    ways = [(False, False), (True, False), (False, True)]
    assert [attempt.way for attempt in attempts] == [way for way in ways for _ in range(2)]


def test_values_are_asked_for_last_and_not_used_where_they_are_unknown():
    asked = []
    plan = plan_attempts([FIRST], lambda: asked.append(1))
    assert [next(plan).strict, next(plan).strict] == [False, True]
    assert not asked
    assert list(plan) == []
    assert asked


def test_an_attempt_exports_its_example_with_its_dims():
    shapes = leave_to_export({"input": X}, [X], {0: 0})
    exported = export_once(nn.Conv1d(3, 5, 3), Attempt(Example((X,), {}, shapes)), FunctionTable())
    (value,) = user_values(exported.program)
    assert [size_as_number(size) for size in value.shape] == [None, 3, 11]


def test_recurrent_layers_stay_whole():
    program = export_once(nn.LSTM(11, 5), Attempt(FIRST), FunctionTable()).program
    assert torch.ops.torch2keras.recurrent.default in {n.target for n in program.graph.nodes}


def test_a_frozen_value_is_no_success():
    with pytest.raises(RuntimeError, match="constant"):
        export_once(Calls(lambda x: (x * 2).data + 1), Attempt(FIRST), FunctionTable())
