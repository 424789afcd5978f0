"""The attempts of an export come in their order, and values are asked for last."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import lazy_caches
from exported import Calls
from torch2keras.capture.attempts import Attempt, export_once, plan_attempts
from torch2keras.capture.captured import user_values
from torch2keras.capture.example_inputs import Example
from torch2keras.capture.failures import FrozenValueError
from torch2keras.capture.sizes.dynamic_shapes import leave_to_export
from torch2keras.capture.training.custom_functions import FunctionTable
from torch2keras.fx_passes.fake_values import size_as_number

X = torch.randn(2, 3, 11)
FIRST, SECOND = Example((X,), {}), Example((X, X), {})


def test_all_examples_are_tried_in_each_way():
    attempts = list(plan_attempts([FIRST, SECOND], lambda: False, list))
    assert [attempt.example for attempt in attempts] == [FIRST, SECOND] * 3
    ways = [(False, False, False), (True, False, False), (False, True, False)]
    assert [attempt.way for attempt in attempts] == [way for way in ways for _ in range(2)]


def test_a_module_that_is_warm_is_tried_again_on_the_first_example_and_stays_so():
    attempts = list(plan_attempts([FIRST, SECOND], lambda: True, list))
    assert [attempt.example for attempt in attempts[:3]] == [FIRST, FIRST, SECOND]
    assert [attempt.warm for attempt in attempts] == [False] + [True] * 6


def test_values_are_asked_for_last_and_not_used_where_they_are_unknown():
    asked = []
    plan = plan_attempts([FIRST], lambda: False, lambda: asked.append(1))
    assert [next(plan).strict, next(plan).strict] == [False, True]
    assert not asked
    assert list(plan) == []
    assert asked


def test_the_module_runs_only_once_an_attempt_has_failed():
    warmed = []
    plan = plan_attempts([FIRST], lambda: warmed.append(1) or True, list)
    assert not next(plan).warm
    assert not warmed
    assert next(plan).warm
    assert warmed == [1]


def test_what_forward_keeps_of_an_export_is_put_back():
    module = lazy_caches.Rotary()
    export_once(module, Attempt(Example((torch.rand(2, 7, 5),), {})), FunctionTable())
    assert (module.longest, module.sines) == (0, None)


def test_an_attempt_exports_its_example_with_its_dims():
    shapes = leave_to_export({"input": X}, [X], {0: 0})
    exported = export_once(nn.Conv1d(3, 5, 3), Attempt(Example((X,), {}, shapes)), FunctionTable())
    (value,) = user_values(exported.program)
    assert [size_as_number(size) for size in value.shape] == [None, 3, 11]


def test_recurrent_layers_stay_whole():
    program = export_once(nn.LSTM(11, 5), Attempt(FIRST), FunctionTable()).program
    assert torch.ops.torch2keras.recurrent.default in {n.target for n in program.graph.nodes}


def test_a_frozen_value_is_no_success():
    def take_memory(x):
        y = x * 2
        y.data = x[:, :, :3] * 3
        return y

    with pytest.raises(FrozenValueError):
        export_once(Calls(take_memory), Attempt(FIRST), FunctionTable())
