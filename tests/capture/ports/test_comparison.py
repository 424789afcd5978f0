"""Outputs of two runs agree to rounding, where they are numbers at all."""

from __future__ import annotations

import pytest
import torch

from torch2keras.capture.ports.comparison import are_close, copy_leaves

X = torch.linspace(-1.0, 1.0, 5)
HOLES = torch.tensor([1.0, torch.nan, torch.inf])

PAIRS = [
    ([X], [X + 1e-7], True),
    ([X], [X + 1e-4], False),
    ([X * 1e6], [X * 1e6 + 1e-2], True),
    ([X], [X, X], False),
    ([X], [X[:3]], False),
    ([X], [X.double()], False),
    ([X > 0], [X > 0], True),
    ([torch.tensor([1, 2])], [torch.tensor([1, 3])], False),
    ([HOLES], [HOLES.clone()], True),
    ([HOLES], [torch.tensor([1.0, 2.0, torch.inf])], False),
    ([X * 0], [X * 0 + 1e-30], False),
    ([X[:0]], [X[:0]], True),
    ([X, 3, None], [X, 3, None], True),
]


@pytest.mark.parametrize(("ours", "theirs", "close"), PAIRS)
def test_outputs_are_close_or_not(ours, theirs, close):
    assert are_close(ours, theirs) is close


def test_outputs_come_flat_and_copied():
    held = X.clone()
    leaves = copy_leaves({"a": [held, 3], "b": (None, held)})
    held.zero_()
    assert torch.equal(leaves[0], X)
    assert leaves[1:3] == [3, None]
