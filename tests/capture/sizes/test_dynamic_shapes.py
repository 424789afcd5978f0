"""The dims that a caller asks for are dynamic, in every way in which torch.export lets one ask."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim, ShapesCollection

from exported import assert_same, dynamic_dims, tripled
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.export import capture
from torch2keras.capture.sizes.dynamic_shapes import (
    find_dynamic_dims,
    key_by_parameter,
    leave_batch_to_export,
)
from torch2keras.errors import InputError

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
    assert "Dim 2 of input is fixed to 1, the example's size." in captured.notes


class Mixed(nn.Module):
    def forward(self, x, scale, *rest, mask=None):
        return x * scale


A, B = {0: Dim.AUTO}, {1: Dim.DYNAMIC}
Y = torch.ones(3, 5)
# dynamic_shapes, args, what torch.export is given
KEYED = {
    "names": ({"x": A, "scale": B}, (Y, Y), {"x": A, "scale": B}),
    "positions": ((A, B), (Y, Y), {"x": A, "scale": B}),
    "a list": ([A, B], (Y, Y), {"x": A, "scale": B}),
    "a number needs no entry": ({"x": A}, (Y, 3), {"x": A, "scale": None}),
    "one entry for the rest": ((A, B, (A, B)), (Y,) * 4, {"x": A, "scale": B, "rest": (A, B)}),
    "one entry each": ((A, B, A, B), (Y,) * 4, {"x": A, "scale": B, "rest": (A, B)}),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYED)
def test_shapes_are_keyed_by_parameter(name):
    shapes, args, wanted = KEYED[name]
    assert key_by_parameter(shapes, bind_example(Mixed(), args, {})) == wanted


class Keywords(nn.Module):
    def forward(self, x, **others):
        return x * others["scale"]


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [
        ({"x": A, "scale": B}, {"x": A, "others": {"scale": B, "flag": None}}),
        ({"x": A, "others": {"scale": B}}, {"x": A, "others": {"scale": B}}),
    ],
)
def test_shapes_of_keywords_that_have_no_parameter_of_their_own(shapes, wanted):
    call = bind_example(Keywords(), (Y,), {"scale": Y, "flag": 3})
    assert key_by_parameter(shapes, call) == wanted


def test_a_collection_of_shapes_is_taken():
    x, collection = x_ncl(), ShapesCollection()
    collection[x] = {0: Dim.AUTO}
    captured = capture(conv, (x,), dynamic_shapes=collection)
    assert dynamic_dims(captured) == [[0]]


@pytest.mark.parametrize("shapes", [(A,), {"x": A}, {"x": A, "scale": B, "more": A}, 7, (A, B, A)])
def test_what_does_not_fit_is_refused(shapes):
    with pytest.raises(InputError, match="does not fit"):
        key_by_parameter(shapes, bind_example(Mixed(), (Y, Y), {}))


def test_requests_are_found_in_nests():
    auto, bound = Dim.AUTO, {"x": [Y, {"a": Y}], "n": 3, "y": Y}
    shapes = {"x": [{0: auto, 1: Dim.STATIC}, {"a": (None, auto)}], "y": (5, None)}
    found = [(name, dim) for name, _, dim, _ in find_dynamic_dims(shapes, bound)]
    assert found == [("x[0]", 0), ("x[1]['a']", 1)]


def test_the_batch_of_a_nest_is_left_to_export():
    auto = {0: Dim.AUTO}
    bound = {"x": (Y, [torch.tensor(3)]), "n": 3, "y": {"a": Y}}
    assert leave_batch_to_export(bound) == {"x": (auto, [None]), "n": None, "y": {"a": auto}}
    assert leave_batch_to_export({"x": torch.tensor(3), "n": 5}) is None
