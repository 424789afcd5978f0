"""What calls change is found, with values of the kind that it takes in the end."""

from __future__ import annotations

from collections import deque

import pytest
import torch

from streams import (
    FRAMES,
    ROWS,
    SIGNAL,
    TOKEN,
    Causal,
    FirstCall,
    GrowingCache,
    History,
    Positions,
    Records,
    Window,
    make,
)
from torch2keras.capture.example_inputs import Example
from torch2keras.capture.ports.kept_state import (
    MOST_CALLS,
    find_growing,
    find_kept_state,
    is_same_kind,
    run_in_a_row,
)

# Module, example; what each call replaces; what only the first calls change; how many calls.
KEPT = [
    (Causal, SIGNAL, ["state"], [], 2),
    (Window, ROWS, ["window"], [], 5),
    (FirstCall, ROWS, ["previous"], ["is_first"], 2),
    (GrowingCache, TOKEN, ["cache.keys"], [], 3),
    (Positions, FRAMES, ["step"], [], 2),
    (Records, ROWS, ["calls", "seen"], ["table"], 2),
    (History, ROWS, [], ["history"], MOST_CALLS),
]


@pytest.mark.parametrize(
    ("cls", "x", "each", "once", "calls"), KEPT, ids=lambda part: str(part)[:40]
)
def test_what_changes_is_found(cls, x, each, once, calls):
    kept = find_kept_state(make(cls), Example((x,), {}))
    assert sorted(kept.values) == each
    assert sorted(kept.once) == once
    assert kept.calls == calls


def test_all_comes_back():
    module = make(Window)
    window = module.window
    find_kept_state(module, Example((ROWS,), {}))
    assert module.window is window
    assert len(window) == 0
    with run_in_a_row(module):
        module(ROWS)
        module(ROWS)
        assert len(window) == 2
    assert len(window) == 0


SAME = [
    (torch.zeros(2, 3), torch.ones(2, 5), True),
    (torch.zeros(2), torch.zeros(2, 1), False),
    (torch.zeros(2), torch.zeros(2, dtype=torch.long), False),
    (3, 4, True),
    (3, 4.0, False),
    (None, torch.zeros(2), False),
    (deque([1], maxlen=3), deque([2], maxlen=3), True),
    (deque([1], maxlen=3), deque([1, 2], maxlen=3), False),
    ({"a": 1}, {"b": 1}, False),
]


@pytest.mark.parametrize(("old", "new", "same"), SAME)
def test_values_of_one_kind_differ_in_numbers_and_sizes(old, new, same):
    assert is_same_kind(old, new) is same


def test_the_dims_that_grow_are_those_that_differ():
    assert find_growing(torch.zeros(2, 3, 5), torch.zeros(2, 4, 5)) == {1}
