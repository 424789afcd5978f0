"""What a captured module says of its inputs and outputs."""

from __future__ import annotations

import torch
from torch import nn
from torch.export import Dim

from exported import Calls
from torch2keras.capture.captured import output_values, user_values
from torch2keras.capture.export import capture

X, Z = torch.randn(2, 3), torch.randn(2, 3, dtype=torch.complex64)


def test_user_values_are_those_of_the_inputs_in_their_order():
    module = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)).eval()
    captured = capture(module, (torch.randn(7, 3),))
    (value,) = user_values(captured.program)
    assert tuple(value.shape)[1:] == (3,)
    assert captured.is_dynamic
    assert not capture(module, (torch.randn(7, 3),), fixed_because="so").is_dynamic


def test_numbers_are_no_user_values():
    captured = capture(Calls(lambda x, k, y: (x * k, y)), (X, 3, X.double()))
    assert [value.dtype for value in captured.user_values] == [torch.float32, torch.float64]


def test_a_dim_behind_the_first_is_dynamic_too():
    captured = capture(nn.ReLU(), (X,), dynamic_shapes=({1: Dim.AUTO},))
    assert captured.is_dynamic


def test_complex_tensors_are_told():
    captured = capture(Calls(lambda x, z: (z * 2, x + 1, z.real)), (X, Z))
    assert captured.complex_inputs == (False, True)
    assert captured.complex_outputs == (True, False, False)


def test_outputs_that_are_no_tensors_are_given_as_they_are():
    captured = capture(Calls(lambda x: {"y": x + 1, "n": 3}), (X,))
    values = output_values(captured.graph_module)
    assert [v if isinstance(v, int) else tuple(v.shape)[1:] for v in values] == [(3,), 3]
