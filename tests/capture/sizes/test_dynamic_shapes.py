"""The dims that a caller asks for are dynamic, in every way in which torch.export lets one ask."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.export import Dim

from exported import assert_same, dynamic_dims, tripled
from torch2keras.capture.export import capture
from torch2keras.capture.sizes.dynamic_shapes import (
    find_dynamic_dims,
    leave_out_dims,
    leave_to_export,
)

N, C, L = 2, 3, 11


def x_ncl(batch=N):
    return torch.linspace(-2, 2, batch * C * L).reshape(batch, C, L)


conv = nn.Conv1d(C, 5, 3)

# name, dynamic_shapes, batch of the example, dynamic dims
ASKED = [
    ("hints", ({0: Dim.AUTO, 2: Dim.AUTO},), N, [0, 2]),
    ("hints_batch_of_1", ({0: Dim.AUTO, 2: Dim.AUTO},), 1, [0, 2]),
    ("names", {"input": {0: Dim("batch"), 2: Dim("length", min=5, max=101)}}, N, [0, 2]),
    ("names_batch_of_1", {"input": {0: Dim("batch"), 2: Dim("length", min=5, max=101)}}, 1, [0, 2]),
    ("length_only", ({2: Dim.DYNAMIC},), N, [2]),
    ("per_dim", ((None, None, Dim("length", min=5)),), N, [2]),
    ("nothing", (None,), N, []),
]


@pytest.mark.parametrize(
    ("shapes", "batch", "dims"), [case[1:] for case in ASKED], ids=[case[0] for case in ASKED]
)
def test_dynamic_shapes_are_used_as_given(shapes, batch, dims):
    args = (x_ncl(batch),)
    captured = capture(conv, args, dynamic_shapes=shapes)
    assert dynamic_dims(captured) == [dims]
    assert_same(captured, conv, args)
    longer = (torch.cat([args[0]] * 2, 2),) if 2 in dims else args
    assert_same(captured, conv, tripled(longer) if 0 in dims else longer)


def test_bounds_of_a_dynamic_length_are_those_that_were_asked():
    captured = capture(conv, (x_ncl(),), dynamic_shapes=({2: Dim("length", min=5, max=101)},))
    (bounds,) = captured.program.range_constraints.values()
    assert (int(bounds.lower), int(bounds.upper)) == (5, 101)


def test_length_of_1_with_a_hint_is_noted():
    captured = capture(
        nn.ReLU(), (torch.ones(N, C, 1),), dynamic_shapes=({0: Dim.AUTO, 2: Dim.AUTO},)
    )
    assert dynamic_dims(captured) == [[0]]
    wanted = "Dim 2 of input is fixed to 1, the example's size: torch.export fixes sizes 0 and 1."
    assert wanted in captured.notes


A, B = {0: Dim.AUTO}, {1: Dim.DYNAMIC}
BOTH = {**A, **B}
X, Y = torch.ones(2, 5), torch.ones(3, 5)


def test_requests_are_found_in_nests():
    auto, bound = Dim.AUTO, {"x": [Y, {"a": Y}], "n": 3, "y": Y}
    shapes = {"x": [{0: auto, 1: Dim.STATIC}, {"a": (None, auto)}], "y": (5, None)}
    found = [(name, dim) for name, _, dim, _ in find_dynamic_dims(shapes, bound)]
    assert found == [("x[0]", 0), ("x[1]['a']", 1)]


def test_one_dim_of_tensors_of_a_nest_is_left_to_export():
    state = torch.ones(4, 3)
    bound = {"x": (Y, [torch.tensor(3)]), "n": 3, "y": {"a": state}}
    shapes = leave_to_export(bound, [Y, torch.tensor(3), state], {0: 0, 2: 1})
    assert shapes == {"x": ({0: Dim.AUTO}, [None]), "n": None, "y": {"a": {1: Dim.AUTO}}}


class Pair(NamedTuple):
    left: Any
    right: Any


# dynamic_shapes, arguments, and what is left where dim 0 of Y is left out
LEFT_OUT = [
    ({"x": BOTH}, {"x": Y}, {"x": {1: Dim.DYNAMIC}}),
    ({"x": (Dim.AUTO, None)}, {"x": Y}, {"x": {1: None}}),
    ({"x": (A, [BOTH]), "y": {"a": A}}, {"x": (X, [Y]), "y": {"a": X}},
     {"x": (A, [{1: Dim.DYNAMIC}]), "y": {"a": A}}),
    ({"x": Pair(A, A)}, {"x": Pair(X, Y)}, {"x": Pair(A, {})}),
    ({"x": None}, {"x": Y}, {"x": None}),
]  # fmt: skip


@pytest.mark.parametrize(("shapes", "bound", "wanted"), LEFT_OUT)
def test_dims_are_left_out_of_a_nest(shapes, bound, wanted):
    left = leave_out_dims(shapes, bound, {(id(Y), 0)})
    assert left == wanted
    assert type(left["x"]) is type(wanted["x"])
