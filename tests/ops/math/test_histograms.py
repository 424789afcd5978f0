"""Histograms of floats."""

from __future__ import annotations

import pytest
import torch

from op_case import Case, check, function

EDGES = torch.tensor([-1.5, -0.5, 0.0, 0.25, 2.0])

CASES: dict[str, Case] = {
    "histc": function(lambda x: torch.histc(x, 7, -2, 3), (3, 5, 11)),
    "histc between the extremes": function(lambda x: torch.histc(x.tanh(), 5), (3, 11)),
    "histc of equal numbers": function(lambda x: torch.histc(torch.zeros_like(x), 5), (3, 11)),
    "histc with the right end": function(lambda x: torch.histc(x.sign(), 3, -1, 1), (3, 11)),
    "histogram": function(lambda x: torch.histogram(x, 7, range=(-1.0, 1.5)), (3, 11)),
    "histogram between the extremes": function(lambda x: torch.histogram(x.tanh(), 6), (3, 11)),
    "histogram of one number": function(lambda x: torch.histogram(x.sum() / 7, 2), (3, 11)),
    "histogram, weighted": function(
        lambda x, w: torch.histogram(x, 5, range=(-3.0, 3.0), weight=w.abs(), density=True),
        (3, 11),
        (3, 11),
    ),
    "histogram of points": function(
        lambda x: torch.ops.aten._histogramdd_from_bin_tensors(x, [EDGES, EDGES[1:4], EDGES[::2]]),
        (5, 7, 3),
    ),
    "histogram of points, weighted": function(
        lambda x, w: torch.ops.aten._histogramdd_from_bin_tensors(
            x.round(), [EDGES, EDGES[1:4]], weight=w.abs(), density=True
        ),
        (31, 2),
        (31,),
    ),
    "histogram of edges": function(lambda x: torch.histogram(x, EDGES), (3, 11)),
    "histogram of edges, weighted": function(
        lambda x, w: torch.histogram(x, EDGES, weight=w.abs(), density=True)[0], (3, 11), (3, 11)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_histograms(name: str) -> None:
    check(CASES[name])
