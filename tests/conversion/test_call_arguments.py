"""Keywords of a call reach the inputs of their names, in whatever order they are written."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k

X, A, B = (torch.full((2, 3), value) for value in (1.0, 10.0, 100.0))
EXPECTED = (X + 2 * A + 3 * B).numpy()


class Sum(nn.Module):
    def forward(self, x, a, b):
        return x + 2 * a + 3 * b


class Rest(nn.Module):
    def forward(self, x, *, a, **rest):
        return x + 2 * a + 3 * rest["b"]


EXAMPLES = [
    (Sum, (X, A, B), {}),
    (Sum, (X,), {"b": B, "a": A}),
    (Sum, (), {"b": B, "x": X, "a": A}),
    (Rest, (X,), {"b": B, "a": A}),
]

CALLS = [
    ((X,), {"a": A, "b": B}),
    ((X,), {"b": B, "a": A}),
    ((), {"b": B, "a": A, "x": X}),
]


@pytest.mark.parametrize(("cls", "args", "kwargs"), EXAMPLES)
def test_keywords_come_in_any_order(cls, args, kwargs):
    converted = t2k.convert(cls(), args, kwargs)
    for positional, named in CALLS:
        np.testing.assert_array_equal(converted(*positional, **named), EXPECTED)


def test_a_call_that_does_not_fit_is_refused():
    converted = t2k.convert(Sum(), (X, A, B))
    with pytest.raises(t2k.InputError, match="takes 3 tensors, 2 are given"):
        converted(X, b=B)
    with pytest.raises(t2k.InputError, match="takes 3 tensors, 4 are given"):
        converted(X, A, B, c=B)
