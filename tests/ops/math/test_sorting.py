"""Sorting and order statistics, of floats, ints and bools."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from op_case import Case, check, function

W = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))
BOTH = {"dynamic_shapes": (({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},),)}
NAN = float("nan")
HOLES = torch.tensor([1.0, NAN, 2.0, 1.0, NAN, 1.0, 3.0])
EDGES = torch.tensor([-1.0, 0.0, 0.5, 2.0])


def conv(x: Tensor) -> Tensor:
    return functional.conv1d(x, W)


def ints() -> Tensor:
    return torch.randint(5, (3, 11), generator=torch.Generator().manual_seed(0))


CASES: dict[str, Case] = {
    "sort": function(lambda x: torch.sort(conv(x), 1), (2, 3, 11)),
    "sort descending": function(lambda x: torch.sort(conv(x), descending=True), (2, 3, 11)),
    "sort, dynamic length": function(lambda x: torch.sort(x, 2), (2, 3, 11), **BOTH),
    "sort ints, stable": function(lambda x: torch.sort(x, stable=True, descending=True), ints),
    "sort bools, stable": function(lambda x: torch.sort(x > 2, stable=True, descending=True), ints),
    "sort a scalar": function(lambda x: torch.sort(x.sum())[0], (2, 3)),
    "argsort": function(lambda x: torch.argsort(conv(x), 1, descending=True), (2, 3, 11)),
    "argsort stable": function(lambda x: torch.argsort(x, dim=1, stable=True), ints),
    "msort": function(torch.msort, (5, 3), dynamic_shapes=None),
    "topk": function(lambda x: torch.topk(x, 3), (2, 3, 11), dynamic_shapes=(({},),)),
    "topk after a convolution": function(lambda x: torch.topk(conv(x), 2, 1)[0], (2, 3, 11)),
    "topk along the length": function(
        lambda x: torch.topk(conv(x), 2)[0], (2, 3, 11), transposes=1
    ),
    "topk smallest": function(
        lambda x: torch.topk(x, 2, 1, largest=False)[0], (2, 3, 11), transposes=1
    ),
    "topk of ints, smallest": function(lambda x: torch.topk(x, 4, largest=False)[0], ints),
    "kthvalue": function(lambda x: torch.kthvalue(conv(x), 2, 1)[0], (2, 3, 11)),
    "kthvalue, kept": function(lambda x: torch.kthvalue(x, 5, -1, keepdim=True)[0], (2, 3, 11)),
    "median": function(lambda x: torch.median(x, 2)[0], (2, 3, 12)),
    "median, dynamic length": function(
        lambda x: torch.median(x, 2, keepdim=True)[0], (2, 3, 11), **BOTH
    ),
    "median of all": function(lambda x: x.median(), (2, 3, 11), **BOTH),
    "nanmedian": function(lambda x: torch.nanmedian(conv(x) * HOLES, 2), (2, 3, 9)),
    "nanmedian, kept": function(
        lambda x: torch.nanmedian(x * HOLES, 2, keepdim=True)[0], (2, 3, 7)
    ),
    "nanmedian of all": function(lambda x: torch.nanmedian(x * HOLES), (2, 3, 7)),
    "nanmedian of ints and of nothing": function(
        lambda x: (torch.nanmedian(x, 1), torch.nanmedian(x * NAN, 1)[0]), ints
    ),
    "nanmedian of infinities": function(lambda x: torch.nanmedian(x / HOLES / 0, 2)[0], (2, 3, 7)),
    "mode": function(lambda x: torch.mode(x, 1), ints),
    "mode of floats, kept": function(
        lambda x: torch.mode(torch.round(conv(x)), 1, keepdim=True), (2, 3, 11)
    ),
    "mode of many": function(lambda x: torch.mode(torch.round(x), 1)[0], (3, 29)),
    "mode of a scalar": function(lambda x: torch.mode(x.sum()), (2, 3)),
    "bucketize": function(lambda x: torch.bucketize(x, EDGES), (2, 3, 11)),
    "bucketize right": function(
        lambda x: torch.bucketize(x, EDGES, right=True), lambda: EDGES.repeat(2, 1)
    ),
    "bucketize a scalar": function(lambda x: torch.bucketize(x.sum(), EDGES), (2, 3)),
    "searchsorted": function(
        lambda x: torch.searchsorted(EDGES, conv(x), side="right"), (2, 3, 11)
    ),
    "searchsorted rows": function(
        lambda x, y: torch.searchsorted(torch.sort(x)[0], y), (2, 3, 7), (2, 3, 5)
    ),
    "searchsorted, order given": function(
        lambda x, y: torch.searchsorted(x, y, sorter=torch.argsort(x)), (2, 7), (2, 5)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sorting(name: str) -> None:
    check(CASES[name])
