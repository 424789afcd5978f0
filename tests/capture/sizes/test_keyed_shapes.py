"""Whatever a caller gives as `dynamic_shapes` is keyed by forward's parameters, or refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim, ShapesCollection

from exported import dynamic_dims
from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.export import capture
from torch2keras.capture.sizes.keyed_shapes import key_by_parameter
from torch2keras.errors import InputError


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
    x, collection = torch.ones(2, 3, 11), ShapesCollection()
    collection[x] = {0: Dim.AUTO}
    captured = capture(nn.ReLU(), (x,), dynamic_shapes=collection)
    assert dynamic_dims(captured) == [[0]]


@pytest.mark.parametrize("shapes", [(A,), {"x": A}, {"x": A, "scale": B, "more": A}, 7, (A, B, A)])
def test_what_does_not_fit_is_refused(shapes):
    with pytest.raises(InputError, match="does not fit"):
        key_by_parameter(shapes, bind_example(Mixed(), (Y, Y), {}))
