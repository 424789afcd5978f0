"""Ops for which PyTorch has no decomposition of use: strides, masks, losses in chunks, others."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch.export import Dim

import torch2keras as t2k
from op_case import Function, check, function

STATIC = {"dynamic_shapes": ({0: Dim.STATIC},)}
NO_DIMS = {"dynamic_shapes": (({}, {}),)}
ONE_BATCH = {"dynamic_shapes": (({0: Dim.STATIC},) * 3,)}
TARGET = torch.tensor([0, 6, 3, 1, 3])

CASES = {
    "windows": function(lambda x: x.as_strided((5, 3), (2, 1)), (3, 7), **STATIC),
    "an offset": function(lambda x: x.as_strided((2, 5), (7, 1), 2), (3, 7), **STATIC),
    "of a value": function(lambda x: x.exp().as_strided((3, 7), (1, 3)), (3, 7), **STATIC),
    "writing a window": function(
        lambda x, y: x.as_strided_scatter(y, (2, 3), (7, 2), 1),
        (3, 7),
        (2, 3),
        dynamic_shapes=(({0: None}, {0: None}),),
    ),
    "masked_scatter": function(lambda x, y: x.masked_scatter(x > 0, y), (3, 7), (3, 7)),
    "masked_scatter, broadcast": function(
        lambda x, y: x.masked_scatter(y[:1] > 0, y), (3, 7), (3, 7)
    ),
    "copy": function(lambda x, y: torch.ops.aten.copy(x, (9 * y).int()), (2, 3, 7), (7,)),
    "native_group_norm": function(
        lambda x, w: torch.native_group_norm(x, w, None, 2, 6, 35, 3, 1e-5),
        (2, 6, 5, 7),
        (6,),
        **NO_DIMS,
    ),
    "native_group_norm without weights": function(
        lambda x: torch.native_group_norm(x, None, None, 2, 6, 7, 2, 1e-2)[0], (2, 6, 7), **STATIC
    ),
    "pdist": function(
        lambda x: tuple(F.pdist(x, p) for p in (2, 0, 1, 3, float("inf"))), (5, 3), **STATIC
    ),
    "pdist of one row": function(F.pdist, (1, 3), **STATIC),
    "searchsorted of a number": function(
        lambda x: (
            torch.searchsorted(x.sort()[0], 0.3),
            torch.searchsorted(x.sort()[0], 0, right=True),
        ),
        (7,),
        **STATIC,
    ),
    "masked_scatter of nothing": function(lambda x, y: x.masked_scatter(x > 99, y), (3, 7), (3, 7)),
}

CHUNKED = (
    {"options": torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2)}
    if hasattr(F, "linear_cross_entropy")
    else {}
)
if CHUNKED:
    CASES |= {
        "linear_cross_entropy": function(
            lambda x, w, b: (
                F.linear_cross_entropy(x, w, TARGET, linear_bias=b, **CHUNKED),
                F.linear_cross_entropy(x, w, TARGET, **CHUNKED, reduction="sum", ignore_index=3),
                F.linear_cross_entropy(
                    x, w, TARGET, linear_bias=b, **CHUNKED, reduction="none", weight=b.abs()
                ),
            ),
            (5, 3),
            (7, 3),
            (7,),
            **ONE_BATCH,
        ),
        "linear_cross_entropy of probabilities": function(
            lambda x, w, p: F.linear_cross_entropy(x, w, torch.softmax(p, 1), **CHUNKED),
            (5, 3),
            (7, 3),
            (5, 7),
            **ONE_BATCH,
        ),
    }


@pytest.mark.parametrize("name", CASES)
def test_rewrites(name: str) -> None:
    check(CASES[name])


def test_a_number_is_as_exact_as_the_row() -> None:
    """0.3 in float32 is another number than in float64, and behind it."""
    row = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    converted = t2k.convert(
        Function(lambda x: torch.searchsorted(x, 0.3)), row, dynamic_shapes=({},)
    )
    assert converted(row) == 2


REFUSED = {
    "memory in another order": lambda x: x.mT.as_strided((2, 2), (2, 1)),
    "memory before the value": lambda x: x[1:].as_strided((2, 2), (2, 1)),
    "writing twice": lambda x: x.as_strided_scatter(x[:2, :2], (2, 2), (1, 1)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_strides_of_other_memory_are_refused(name: str) -> None:
    with pytest.raises((t2k.UnsupportedOpError, t2k.CaptureError), match=r"as_strided|strides"):
        check(function(REFUSED[name], (3, 7)))
