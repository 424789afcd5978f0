"""Places of extremes and running sums: what hangs on the order inside a dimension."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch.export import Dim

from op_case import Case, check, function

UNORDERED = torch.tensor([1.0, 0.0, 1.0, float("inf"), float("nan"), -float("inf"), float("nan")])
LENGTH = {"dynamic_shapes": ({0: Dim.AUTO, 2: Dim.AUTO},)}

CASES: dict[str, Case] = {
    "argmax": function(lambda x: (x.argmax(1), x.argmax(-1, keepdim=True), x.argmax(0)), (3, 5, 7)),
    "argmin": function(lambda x: (x.argmin(1), x.argmin(-1, keepdim=True), x.argmin(0)), (3, 5, 7)),
    "argmax of all": function(
        lambda x: (x.argmax(), x.argmin(), x.argmax(keepdim=True)), (3, 5, 7)
    ),
    "argmax of all behind a convolution": function(
        lambda x, w: F.conv1d(x, w).argmax(), (2, 3, 13), (5, 3, 3), transposes=1
    ),
    "argmax of ties": function(
        lambda x: (x.argmax(1), x.argmin(1), x.max(2), x.min(0)),
        lambda: torch.randint(0, 3, (3, 5, 7)),
    ),
    "argmax of zeros of both signs": function(
        lambda x: (
            x.mul(0).argmax(1),
            x.mul(0).argmin(1),
            x.mul(0).max(2),
            F.max_pool1d(x.mul(0), 2, return_indices=True),
        ),
        (3, 5, 7),
    ),
    "argmax of nan and infinities": function(
        lambda x: (
            (x * UNORDERED).max(2)[1:]
            + (x * UNORDERED).min(1)[1:]
            + ((x * UNORDERED).argmax(), (x / 0).argmin(1))
        ),
        (3, 5, 7),
    ),
    "argmax of bools": function(
        lambda x: ((x > 0).to(torch.uint8).argmax(1), (x > 0).max(1), (x > 0).min(-1)), (3, 5, 7)
    ),
    "argmax behind a convolution": function(
        lambda x, w: (F.conv1d(x, w).argmax(1), F.conv1d(x, w).argmin(2, keepdim=True)),
        (2, 3, 13),
        (5, 3, 3),
    ),
    "max with places": function(lambda x: (x.max(1), x.max(-1, keepdim=True)), (3, 5, 7)),
    "min with places": function(lambda x: (x.min(1), x.min(-1, keepdim=True)), (3, 5, 7)),
    "max behind a convolution": function(
        lambda x, w: F.conv1d(x, w).max(2)[0] + F.conv1d(x, w).min(2)[0], (2, 3, 13), (5, 3, 3)
    ),
    "of a scalar": function(
        lambda x: (x[0, 0].argmax(0), x[0, 0].max(0), x[0, 0].cumsum(0)), (3, 5)
    ),
    "cumsum": function(lambda x: (x.cumsum(1), x.cumsum(-1), x.cumsum(0)), (3, 5, 7)),
    "cumsum of integers and bools": function(
        lambda x: (
            (x > 0).cumsum(1),
            x.to(torch.int32).cumsum(2),
            x.cumsum(1, dtype=torch.float64),
        ),
        (3, 5, 7),
    ),
    "cumsum behind a convolution": function(
        lambda x, w: F.conv1d(x, w).cumsum(2), (2, 3, 13), (5, 3, 3)
    ),
    "cumsum of a long signal": function(lambda x: x.cumsum(-1), (2, 3, 4001)),
    "cumprod": function(
        lambda x: ((1 + 0.1 * x).cumprod(1), torch.sign(x).to(torch.int64).cumprod(2)), (3, 5, 7)
    ),
    "cumsum of a dynamic length": function(
        lambda x: (x.cumsum(2), x.argmax(2)), (2, 3, 7), **LENGTH
    ),
    "cummax": function(lambda x: (x.cummax(1), x.cummax(-1)), (3, 5, 13)),
    "cummin": function(lambda x: (x.cummin(1), x.cummin(-1)), (3, 5, 13)),
    "cummax of ties": function(
        lambda x: (x.cummax(2), x.cummin(1)), lambda: torch.randint(0, 4, (3, 5, 13))
    ),
    "logcumsumexp": function(lambda x: x.logcumsumexp(1) + x.logcumsumexp(-1), (3, 5, 13)),
    "diff": function(lambda x: (x.diff(dim=1), x.diff(n=2, dim=-1)), (3, 5, 7)),
    "diff of more": function(lambda x, y: torch.diff(x, dim=2, prepend=y), (3, 5, 7), (3, 5, 1)),
    "trapezoid": function(lambda x: torch.trapezoid(x, dx=0.3, dim=1), (3, 5, 7)),
}


@pytest.mark.parametrize("name", CASES)
def test_cumulative(name: str) -> None:
    check(CASES[name])


def test_a_running_extreme_over_a_dynamic_length_is_refused() -> None:
    import torch2keras as t2k

    with pytest.raises(t2k.LoweringError, match="dynamic"):
        check(function(lambda x: x.cummax(2)[0], (2, 3, 7), **LENGTH))
