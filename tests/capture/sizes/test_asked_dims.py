"""The dims that were to be dynamic, by name and position, and the sizes that were asked for."""

from __future__ import annotations

import pytest
import torch
from torch.export import Dim

from exported import Calls
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.sizes.asked_dims import AskedDim, list_asked_dims


def test_a_tensor_that_is_given_twice_has_two_positions():
    x, auto = torch.ones(2, 3), {0: Dim.AUTO, 1: Dim.DYNAMIC}
    call = bind_example(Calls(torch.add), (x, x), {})
    asked = list_asked_dims({"tensors": (auto, {1: Dim.AUTO})}, call)
    found = [(one.name, one.position, one.dim, one.may_be_fixed) for one in asked]
    assert found == [
        ("tensors[0]", 0, 0, True),
        ("tensors[0]", 0, 1, False),
        ("tensors[1]", 1, 1, True),
    ]


@pytest.mark.parametrize(
    ("request_", "left", "allowed"),
    [
        (Dim.AUTO, True, [1, 9]),
        (Dim.DYNAMIC, False, [1, 9]),
        (Dim("n"), False, [1, 9]),
        (Dim("n", min=2), False, [9]),
        (Dim("n", min=2, max=8), False, []),
    ],
)
def test_what_a_request_allows(request_, left, allowed):
    asked = AskedDim("x", 0, 0, request_)
    assert asked.may_be_fixed == left
    assert [size for size in (1, 9) if asked.allows(size)] == allowed
