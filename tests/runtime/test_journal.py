"""What a module writes to is put back, each memory once; what it allocates itself is not kept."""

from __future__ import annotations

import torch

from torch2keras.runtime.journal import Journal


def test_writes_through_any_view_are_undone():
    held = torch.arange(7.0)
    view = held[2:5]
    journal = Journal()
    with journal:
        view.mul_(3.0)
        held.add_(1.0)
        own = torch.zeros(3)
        own += 5.0
    assert held.tolist() == [1.0, 2.0, 7.0, 10.0, 13.0, 6.0, 7.0]
    journal.undo()
    assert held.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert own.tolist() == [5.0, 5.0, 5.0]


def test_a_branch_of_cond_is_seen_and_its_result_is_that_of_the_branch():
    held = torch.ones(5)
    journal = Journal()
    with journal:
        result = torch.cond(held.sum() > 3, lambda x: x * 2, lambda x: x * 3, (held,))
        held.zero_()
    journal.undo()
    assert result.tolist() == [2.0] * 5
    assert held.tolist() == [1.0] * 5
