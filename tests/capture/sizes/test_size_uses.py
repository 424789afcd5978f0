"""Branches on sizes and numbers made of them are recorded with module and line."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim

from torch2keras.capture.sizes.size_uses import (
    BranchKind,
    FixedSize,
    LinePlace,
    SizeUses,
    record_size_uses,
)


class Asks(nn.Module):
    def forward(self, x):
        return x * 2 if x.shape[0] > 8 else x


class Truth(nn.Module):
    def forward(self, x):
        return x if x.shape[0] - 7 else x * 2


class Counts(nn.Module):
    def forward(self, x):
        return x * len(x)


class Ranges(nn.Module):
    def forward(self, x):
        return torch.cat([x[i : i + 1] for i in range(x.shape[0])])


class Unbinds(nn.Module):
    def forward(self, x):
        return torch.stack(list(x))


class Library(nn.Module):
    def forward(self, x):
        return nn.functional.layer_norm(x.reshape(2, -1, 3), (3,))


def record(part, *, strict=False, free=True):
    module = nn.Sequential(nn.ReLU(), part)
    uses = SizeUses()
    with record_size_uses(module, uses, free=free):
        shapes = ({0: Dim.AUTO},)
        torch.export.export(module, (torch.ones(4, 3),), dynamic_shapes=shapes, strict=strict)
    return uses


@pytest.mark.parametrize(
    ("part", "condition", "answer"), [(Asks(), "> 8", False), (Truth(), "Ne(", True)]
)
def test_a_branch_on_a_size_is_recorded(part, condition, answer):
    (branch,) = record(part).branches.values()
    assert condition in str(branch.condition)
    assert branch.answer is answer
    assert branch.place.module == f"1 ({type(part).__name__})"
    assert "x.shape[0]" in str(branch.place)


@pytest.mark.parametrize(
    ("part", "in_python", "line"),
    [(Counts(), True, "len(x)"), (Ranges(), True, "range("), (Unbinds(), False, "list(x)")],
)
def test_a_size_that_becomes_a_number_is_recorded(part, in_python, line):
    (fixed,) = record(part).fixed.values()
    assert (fixed.target, fixed.is_number_in_python) == (4, in_python)
    assert f"1 ({type(part).__name__})" in str(fixed.place)
    assert line in str(fixed.place)


class Equals(nn.Module):
    def forward(self, x):
        return x * 2 if x.shape == (4, 3) else x


class Differs(nn.Module):
    def forward(self, x):
        return x if x.shape[0] != 4 else x * 2


class LooksUp(nn.Module):
    def forward(self, x):
        return x * {(4, 3): 2.0}[tuple(x.shape)]


FREE = [
    (Equals(), [BranchKind.EQUALS_NUMBER]),
    (Differs(), [BranchKind.EQUALS_NUMBER]),
    (LooksUp(), [BranchKind.LOOKS_UP, BranchKind.EQUALS_NUMBER]),
]


@pytest.mark.parametrize(("part", "kinds"), FREE)
def test_whether_a_size_is_a_number_is_answered_without_fixing_it(part, kinds):
    uses = record(part)
    assert [branch.kind for branch in uses.branches.values()] == kinds
    assert uses.has_free_answers
    assert uses.fixed == {}


def test_it_is_fixed_where_answers_are_not_free():
    uses = record(Equals(), free=False)
    assert not uses.has_free_answers
    assert [fixed.target for fixed in uses.fixed.values()] == [4]
    with pytest.raises(TypeError, match="unhashable"):
        record(LooksUp(), free=False)


def test_a_line_is_known_under_dynamo_too():
    (fixed,) = record(Unbinds(), strict=True).fixed.values()
    assert "list(x)" in str(fixed.place)


def test_what_pytorch_asks_by_itself_is_no_branch_of_forward():
    assert record(Library()).branches == {}


def test_the_functions_of_pytorch_come_back():
    before = torch.SymBool.__bool__
    with pytest.raises(ZeroDivisionError), record_size_uses(nn.ReLU(), SizeUses()):
        raise ZeroDivisionError
    assert torch.SymBool.__bool__ is before


def test_a_cause_is_found_by_way_of_another_symbol():
    number = FixedSize(4, LinePlace("a (A)", None), is_number_in_python=True)
    uses = SizeUses({}, {"s1": FixedSize("s0", LinePlace("", None), False), "s0": number})
    assert uses.find_cause("s1") is number
    assert uses.find_cause("s2") is None
