"""cat and stack: mixed sizes, dtypes, dims from both ends, and after a convolution."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from op_case import Case, check, function

W = torch.randn(5, 3, 3, generator=torch.Generator().manual_seed(0))
DYNAMIC = {"dynamic_shapes": (({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},) * 2,)}


def ints(*shape: int) -> torch.Tensor:
    return torch.arange(torch.Size(shape).numel()).reshape(shape)


CASES: dict[str, Case] = {
    "mixed sizes": function(lambda x, y: torch.cat([x, y, x], 1), (2, 3, 5), (2, 7, 5)),
    "last dim": function(lambda x, y: torch.cat([x, y], -1), (2, 3, 5), (2, 3, 7)),
    "channels after a convolution": function(
        lambda x: torch.cat([functional.conv1d(x, W), x[:, :, 2:]], 1).relu(), (2, 3, 11)
    ),
    "length after a convolution": function(
        lambda x: torch.cat([functional.conv1d(x, W), functional.conv1d(x, W)[..., :4]], 2),
        (2, 3, 11),
    ),
    "dynamic length": function(lambda x, y: torch.cat([x, y], 2), (2, 3, 11), (2, 3, 7), **DYNAMIC),
    "promotion": function(
        lambda x: torch.cat([x, ints(3, 5), torch.ones(1, 5, dtype=torch.bool)], 0), (2, 5)
    ),
    "ints": function(lambda x: torch.cat([x, x[:, 1:]], 1), lambda: ints(2, 5)),
    "bools": function(lambda x: torch.cat([x > 0, x < 1], 1), (2, 5)),
    "legacy empty": function(lambda x: torch.cat([torch.empty(0), x], 1), (2, 3, 5)),
    "of one": function(lambda x: torch.cat([x], 1), (2, 3)),
    "with a constant": function(
        lambda x: torch.cat([x, W[0, :, :1].expand(2, 3, 1)], 2), (2, 3, 5)
    ),
    "stack": function(lambda x, y: torch.stack([x, y], 1), (2, 3, 5), (2, 3, 5)),
    "stack last": function(lambda x, y: torch.stack([x, y, x], -1), (2, 3, 5), (2, 3, 5)),
    "stack first": function(lambda x, y: torch.stack([x, y]), (2, 3, 5), (2, 3, 5)),
    "stack after a convolution": function(
        lambda x: functional.conv1d(
            torch.stack([functional.conv1d(x, W), functional.conv1d(-x, W)], 2).flatten(1, 2),
            W.repeat(1, 4, 1)[:, :10],
        ),
        (2, 3, 11),
    ),
    "stack of scalars": function(lambda x: torch.stack([x.sum(), x.amax()]), (2, 3)),
    "hstack": function(lambda x, y: torch.hstack([x, y]), (2, 3, 5), (2, 7, 5)),
    "vstack": function(lambda x: torch.vstack([x, x]), (2, 3)),
    "dstack": function(lambda x: torch.dstack([x, x]), (2, 3)),
    "column_stack": function(lambda x: torch.column_stack([x, x]), (5,)),
    "block_diag": function(lambda x: torch.block_diag(x[0], x[1]), (2, 3, 5)),
}


@pytest.mark.parametrize("name", CASES)
def test_joining(name: str) -> None:
    check(CASES[name])
