"""Distances of all pairs of rows."""

from __future__ import annotations

import math

import pytest
import torch

from op_case import Case, check, function

aten = torch.ops.aten

CASES: dict[str, Case] = {
    **{
        f"cdist, p={p}": function(lambda x, y, p=p: torch.cdist(x, y, p), (3, 5, 2), (3, 7, 2))
        for p in (0.0, 1.0, 2.0, 3.0, math.inf)
    },
    "cdist of many": function(torch.cdist, (3, 29, 2), (3, 7, 2)),
    "cdist of many without a product": function(
        lambda x, y: torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist"),
        (3, 29, 2),
        (3, 7, 2),
    ),
    "cdist by a product": function(
        lambda x, y: torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist"), (3, 5, 2), (3, 7, 2)
    ),
    "cdist of two batches": function(torch.cdist, (2, 1, 5, 3), (2, 7, 11, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_distances(name: str) -> None:
    check(CASES[name])
