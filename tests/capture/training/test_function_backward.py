"""What the backward of a custom function is."""

from __future__ import annotations

import pytest
import torch

from custom_functions import (
    Clipped,
    Doubled,
    InPlace,
    Reversal,
    Rounding,
    Sign,
    Single,
    Smoothed,
    Swish,
    TwoSlopes,
    x_of,
)
from torch2keras.capture.training.function_backward import Backward, measure

CASES = {
    Reversal: ((x_of(), 0.7), Backward.SLOPE, {0: -0.7}),
    Rounding: ((x_of(),), Backward.SLOPE, {0: 1.0}),
    Sign: ((x_of(),), Backward.SLOPE, {0: None}),
    Swish: ((x_of(),), Backward.DERIVATIVE, {}),
    TwoSlopes: ((x_of(), x_of(), x_of()), Backward.SLOPE, {0: 0.5, 1: 2.0}),
    Clipped: ((x_of(),), Backward.OTHER, {}),
    Smoothed: ((x_of(),), Backward.OTHER, {}),
    Single: ((x_of(),), Backward.OTHER, {}),
    Doubled: ((x_of(), 0.7), Backward.SLOPE, {0: 2.0}),
    InPlace: ((x_of(),), Backward.OTHER, {}),
}


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_a_backward_is_measured(function):
    args, backward, slopes = CASES[function]
    before = torch.get_rng_state()
    found = measure(function, args)
    assert (found.backward, dict(found.slopes)) == (backward, slopes)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_slope_that_hangs_on_a_tensor_argument_is_no_number():
    args = x_of(), torch.tensor(0.7)
    assert measure(Reversal, args).slopes == {0: None}
