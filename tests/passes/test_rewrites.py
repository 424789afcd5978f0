"""Ops that read memory by strides, or write where a mask says."""

from __future__ import annotations

import pytest
from torch.export import Dim

import torch2keras as t2k
from conversion import check, function

STATIC = {"dynamic_shapes": ({0: Dim.STATIC},)}

CASES = {
    "windows": function(lambda x: x.as_strided((5, 3), (2, 1)), (3, 7), **STATIC),
    "an offset": function(lambda x: x.as_strided((2, 5), (7, 1), 2), (3, 7), **STATIC),
    "of a value": function(lambda x: x.exp().as_strided((3, 7), (1, 3)), (3, 7), **STATIC),
    "masked_scatter": function(lambda x, y: x.masked_scatter(x > 0, y), (3, 7), (3, 7)),
    "masked_scatter, broadcast": function(lambda x, y: x.masked_scatter(y[:1] > 0, y), (3, 7), (3, 7)),
    "masked_scatter of nothing": function(lambda x, y: x.masked_scatter(x > 99, y), (3, 7), (3, 7)),
}


@pytest.mark.parametrize("name", CASES)
def test_rewrites(name: str) -> None:
    check(CASES[name])


REFUSED = {
    "memory in another order": lambda x: x.mT.as_strided((2, 2), (2, 1)),
    "memory before the value": lambda x: x[1:].as_strided((2, 2), (2, 1)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_strides_of_other_memory_are_refused(name: str) -> None:
    with pytest.raises((t2k.UnsupportedOpError, t2k.CaptureError), match=r"as_strided|strides"):
        check(function(REFUSED[name], (3, 7)))
