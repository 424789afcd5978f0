"""Places in sorted rows, against torch.searchsorted."""

from __future__ import annotations

import math

import pytest
import torch

from recorded import record
from torch2keras.errors import LoweringError
from torch2keras.ops.blocks.search import search_sorted

ROW = torch.tensor([-2.0, 0.5, 0.5, 0.5, 3.0, 3.0, 11.0])
ROWS = {
    "one row": (ROW, torch.tensor([[0.5, 3.0, -9.0], [99.0, 0.4, 11.0]])),
    "one entry": (ROW[:1], torch.tensor([-3.0, -2.0, -1.0])),
    "no entry": (ROW[:0], torch.tensor([0.5, 7.0])),
    "a row for each": (
        torch.stack([ROW, ROW + 2.0, ROW * 3.0]),
        torch.tensor([[0.5, 2.5], [2.5, 5.0], [1.5, 33.0]]),
    ),
    "integers": (torch.tensor([1, 3, 3, 7]), torch.tensor([0, 3, 4, 7, 9])),
    "NaN": (ROW, torch.tensor([math.nan, math.inf, -math.inf])),
    "not sorted": (torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0]), torch.tensor([0.5, 1.5, 3.5, 5.0])),
}


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("name", ROWS)
def test_the_places_are_pytorchs(name: str, *, right: bool) -> None:
    row, values = ROWS[name]
    expected = torch.searchsorted(row, values, right=right)
    found = record(lambda r, v: search_sorted(r, v, right=right), row, values)
    assert found.result.tolist() == expected.tolist()


def test_a_dynamic_row_is_refused() -> None:
    with pytest.raises(LoweringError, match="dynamic"):
        record(lambda x: search_sorted(x, x, right=False), ROW, dynamic=(0,))
