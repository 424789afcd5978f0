"""Sampling of images and volumes at computed positions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

import torch2keras as t2k
from op_case import Case, check, function

MODES = [
    (m, p, a)
    for m in ("bilinear", "nearest")
    for p in ("zeros", "border", "reflection")
    for a in (False, True)
]


def sampled(mode: str, padding: str, align: bool):
    def call(x, grid):
        return F.grid_sample(x, grid, mode=mode, padding_mode=padding, align_corners=align)

    return call


CASES: dict[str, Case] = {
    f"{mode}, {padding}, {'corners' if align else 'areas'}": function(
        sampled(mode, padding, align), (2, 3, 5, 4, 7), (2, 2, 3, 5, 3), transposes=1
    )
    for mode, padding, align in MODES
}


@pytest.mark.parametrize("name", CASES)
def test_volumes(name: str) -> None:
    check(CASES[name])


def test_images() -> None:
    check(
        function(
            sampled("bilinear", "zeros", align=False), (2, 3, 5, 7), (2, 3, 5, 2), transposes=2
        )
    )


def test_a_dynamic_volume_is_refused() -> None:
    dim = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO}
    with pytest.raises(t2k.LoweringError, match="a dynamic volume"):
        check(
            function(
                sampled("bilinear", "zeros", align=False),
                (2, 3, 5, 4, 7),
                (2, 2, 3, 5, 3),
                dynamic_shapes=((dim, {0: torch.export.Dim.AUTO}),),
            )
        )
