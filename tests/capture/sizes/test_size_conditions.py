"""The conditions on sizes: bounds, but those of branches that change nothing, and checks."""

from __future__ import annotations

import pytest
import torch
from torch.export import Dim

from exported import Calls
from torch2keras.capture.export import capture

X = torch.linspace(-2, 2, 28).reshape(4, 7)

BATCH = ({0: Dim.AUTO},)
BOTH = ({0: Dim.AUTO, 1: Dim.AUTO},)


def plain(x):
    return x * 2


def at_most(x):
    assert x.shape[0] <= 16
    return x * 2


def even(x):
    assert x.shape[0] % 2 == 0
    return x * 2


def not_five(x):
    assert x.shape[0] != 5
    return x * 2


def in_parts(x):
    return torch.cat([x[:8] * 2, x[8:] * 2]) if x.shape[0] > 8 else x * 2


def in_parts_at_most(x):
    assert x.shape[0] <= 16
    return in_parts(x)


def convolved(x):
    return torch.conv1d(x[:, None], torch.ones(1, 1, 5))


def wider_than_high(x):
    assert x.shape[0] < x.shape[1]
    return x * 2


# function, what is to be dynamic, the conditions, in terms of the dims a and b
CASES = [
    (plain, BATCH, []),
    (plain, ({0: Dim("n", min=3, max=8)},), ["a >= 3", "a <= 8"]),
    (at_most, BATCH, ["a <= 16"]),
    (even, BATCH, ["Eq(Mod(a, 2), 0)"]),
    (not_five, BATCH, ["Ne(a, 5)"]),
    (in_parts, BATCH, []),
    (in_parts_at_most, BATCH, ["a <= 16"]),
    (convolved, BOTH, ["b >= 5"]),
    (wider_than_high, BOTH, ["b >= 3", "a < b"]),
]


@pytest.mark.parametrize(("function", "shapes", "conditions"), CASES)
def test_what_sizes_have_to_keep_to(function, shapes, conditions):
    captured = capture(Calls(function).eval(), (X,), dynamic_shapes=(shapes,))
    (value,) = captured.user_values
    found = [str(condition) for condition in captured.size_conditions]
    for letter, size in zip("ab", value.shape, strict=True):
        found = [text.replace(str(size), letter) for text in found]
    assert found == conditions
