"""A branch on a size fixes the size where the other way gives something else, and only there."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim

from exported import Calls, assert_same, dynamic_dims
from torch2keras.capture.export import capture
from torch2keras.capture.sizes import size_trials
from torch2keras.errors import InputError

X = torch.linspace(-2, 2, 12).reshape(4, 3)


def above(x):
    return x * 2 if x.shape[0] > 8 else x


def even(x):
    return x * 2 if x.shape[0] % 2 == 0 else x


def one(x):
    return (x * 2).squeeze(0) if x.shape[0] == 1 else x * 2


def far(x):
    return x * 2 if x.shape[0] > 99 else x


def elements(x):
    return x * 2 if x.numel() > 30 else x


def wide(x):
    return x * 2 if x.shape[1] > 8 else x


def in_parts(x):
    return torch.cat([x[:8] * 2, x[8:] * 2]) if x.shape[0] > 8 else x * 2


def check(x):
    assert x.shape[0] <= 16, "too many"
    return x * 2


def in_parts_and_checked(x):
    assert x.shape[0] <= 16, "too many"
    head = x[:8] * 2 if x.shape[0] > 8 else x * 2
    return torch.cat([head, x[8:] * 2]) if x.shape[0] > 8 else head


def compared(x):
    return x * 2 if x.shape[0] == x.shape[0] else x


# function, the size at which it goes the other way (None: it stays dynamic), what the notes say
BRANCHES = [
    (above, 9, "something else for size 9"),
    (even, 1, "something else for size 1"),
    (one, 1, "something else for size 1"),
    (far, 100, "something else for size 100"),
    (elements, 11, "something else for size 11"),
    (in_parts, None, "for size 9, which goes the other way, the numbers are the same"),
    (check, None, "the module itself raises an error for size 17"),
    (compared, None, ""),
]


@pytest.mark.parametrize(
    ("function", "size", "note"), BRANCHES, ids=[case[0].__name__ for case in BRANCHES]
)
def test_a_branch_fixes_a_size_where_it_must(function, size, note):
    module = Calls(function).eval()
    captured = capture(module, (X,))
    assert dynamic_dims(captured) == [[0] if size is None else []]
    (said,) = captured.notes or ("",)
    assert note in said
    assert not note or "test_size_limits.py" in said
    assert_same(captured, module, (X,))
    if size is None:
        assert_same(captured, module, (torch.cat([X] * 3),))


def heads(x):
    every_second = x[:, ::2]
    return every_second.unflatten(1, (5, -1)).softmax(1).flatten(1)


def adds_five(x):
    return x[:, ::2] + torch.arange(5.0)


@pytest.mark.parametrize(
    ("function", "size", "is_fixed"),
    [(heads, 10, True), (heads, 20, False), (adds_five, 10, False)],
)
def test_what_an_op_takes_a_quotient_of_a_size_for_fixes_it(function, size, is_fixed):
    x, module = torch.randn(3, size), Calls(function).eval()
    captured = capture(module, (x,), dynamic_shapes=({0: Dim.AUTO, 1: Dim.AUTO},))
    assert (1 in dynamic_dims(captured)[0]) != is_fixed
    notes = " ".join(captured.notes)
    assert ("fixed to 10" in notes) == is_fixed
    assert_same(captured, module, (x,))
    assert ("an op takes no other size" in notes) == is_fixed


@pytest.mark.parametrize("dim", [Dim.DYNAMIC, Dim("n", max=64)])
def test_a_size_that_was_asked_for_by_name_is_refused(dim):
    with pytest.raises(InputError, match="cannot keep these dynamic_shapes") as refusal:
        capture(Calls(one), (X,), dynamic_shapes=(({0: dim},),))
    assert "test_size_limits.py" in str(refusal.value)


def test_the_advice_of_the_refusal_works():
    module = Calls(one).eval()
    bounded = capture(module, (X,), dynamic_shapes=(({0: Dim("n", min=2)},),))
    assert dynamic_dims(bounded) == [[0]]
    left = capture(module, (X,), dynamic_shapes=(({0: Dim.AUTO},),))
    assert dynamic_dims(left) == [[]]


def test_branches_that_change_nothing_are_one_note_and_each_check_is_one():
    check, branches = capture(Calls(in_parts_and_checked).eval(), (X,)).notes
    assert "raises an error for size 17" in check
    assert branches.count("test_size_limits.py") == 2
    assert "for size 9, which goes the other way" in branches


def test_only_the_size_that_is_asked_for_is_fixed():
    captured = capture(Calls(wide).eval(), (X,), dynamic_shapes=(({0: Dim.AUTO, 1: Dim.AUTO},),))
    assert dynamic_dims(captured) == [[0]]
    (note,) = captured.notes
    assert note.startswith("Dim 1 of tensors[0] is fixed to 3")


def test_a_batch_of_1_that_stands_doubled_is_fixed_to_1():
    captured = capture(Calls(above).eval(), (X[:1],))
    assert dynamic_dims(captured) == [[]]
    assert captured.user_values[0].shape == (1, 3)


def test_branches_are_found_under_dynamo_too():
    class Counts(nn.Module):
        def forward(self, x):
            y = x * len(x)
            return y + 1 if x.shape[0] > 8 else y

    captured = capture(Counts().eval(), (X,))
    assert dynamic_dims(captured) == [[]]
    assert "for size 9" in captured.notes[0]
    assert "x.shape[0] > 8" in captured.notes[0]


def huge(x):
    return x * 2 if x.numel() > 2**31 else x


def is_huge(x):
    return x * 2 if x.shape[0] == 4 else x


def test_a_size_that_is_too_large_to_be_tried_is_noted_and_a_limit():
    captured = capture(Calls(huge).eval(), (X,))
    assert dynamic_dims(captured) == [[0]]
    assert len(captured.size_conditions) == 1
    (note,) = captured.notes
    assert "which goes the other way, was not tried" in note


def test_it_fixes_the_size_where_it_is_asked_for_by_number(monkeypatch):
    monkeypatch.setattr(size_trials, "MOST_ELEMENTS", 1)
    monkeypatch.setattr(size_trials, "MOST_TIMES", 1)
    captured = capture(Calls(is_huge).eval(), (X,))
    assert dynamic_dims(captured) == [[]]
    assert "which was not tried, for size 8" in captured.notes[0]
