"""Sliding windows: short and long ones, along any dimension, of images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from op_case import Case, check, function
from torch2keras.ops.tensor.windows import MOST_SLICES

W = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))
BOTH = {"dynamic_shapes": (({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},),)}


def conv(x: Tensor) -> Tensor:
    return functional.conv1d(x, W)


CASES: dict[str, Case] = {
    "unfold": function(lambda x: conv(x).unfold(2, 3, 2), (2, 3, 11)),
    "unfold channels": function(lambda x: conv(x).unfold(1, 2, 1).relu(), (2, 3, 11)),
    "unfold, dynamic length": function(lambda x: x.unfold(2, 3, 2), (2, 3, 11), **BOTH),
    "unfold long": function(lambda x: x.unfold(2, 17, 5), (2, 3, 43)),
    "unfold long, dynamic length": function(lambda x: x.unfold(-1, 17, 5), (2, 3, 43), **BOTH),
    "im2col": function(
        lambda x: functional.unfold(x, (2, 3), padding=1, stride=(2, 1)), (2, 3, 7, 11)
    ),
    "im2col dilated": function(lambda x: functional.unfold(x, 2, dilation=(1, 3)), (2, 3, 7, 11)),
    "im2col unbatched": function(
        lambda x: functional.unfold(x, 3), (2, 5, 7), dynamic_shapes=(({},),)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_windows(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize(("size", "op"), [(MOST_SLICES, "stack"), (MOST_SLICES + 1, "take")])
def test_long_windows_are_looked_up(size: int, op: str) -> None:
    converted = check(function(lambda x: x.unfold(2, size, 3), (2, 3, 41)))
    targets = [call.target for call in converted.conversion.lowered.graph.calls]
    assert f"ops.{op}" in targets
