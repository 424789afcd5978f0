"""Comparisons, choices by a condition, and the logic of bools and bits."""

from __future__ import annotations

import operator

import pytest
import torch
from torch import nn

from op_case import Case, check, function, module

COMPARISONS = (torch.eq, torch.ne, torch.lt, torch.le, torch.gt, torch.ge)
LOGIC = (torch.logical_and, torch.logical_or, torch.logical_xor)
BITS = (
    torch.bitwise_and,
    torch.bitwise_or,
    torch.bitwise_xor,
    operator.and_,
    operator.or_,
    operator.xor,
)


aten = torch.ops.aten


def integers(*shape, low=-3, high=4, dtype=torch.int64):
    return lambda: torch.randint(low, high, shape).to(dtype)


CASES: dict[str, Case] = {
    "of floats": function(
        lambda x, y: [c(x.round(), y.round()) for c in COMPARISONS], (3, 5, 7), (5, 1)
    ),
    "of floats and numbers": function(
        lambda x: [c(x, 0.1) for c in COMPARISONS] + [c(x.round(), 1) for c in COMPARISONS],
        (3, 5, 7),
    ),
    "of integers": function(
        lambda x, y: [c(x, y) for c in COMPARISONS], integers(3, 5), integers(5)
    ),
    "of integers and floats": function(
        lambda x, y: [c(x, y.round()) for c in COMPARISONS], integers(3, 5), (3, 5)
    ),
    "of integers and numbers": function(
        lambda x: [c(x, n) for c in COMPARISONS for n in (1, 0.5)], integers(3, 5)
    ),
    "of mixed integers": function(
        lambda x, y: [c(x, y) for c in COMPARISONS],
        integers(3, 5),
        integers(3, 5, low=0, dtype=torch.uint8),
    ),
    "of bools": function(lambda x, y: [c(x > 0, y > 0) for c in COMPARISONS], (3, 5), (3, 5)),
    "of bools and numbers": function(
        lambda x: [c(x > 0, 1) for c in COMPARISONS] + [(x > 0) == True],  # noqa: E712
        (3, 5),
    ),
    "other names": function(
        lambda x, y: (
            x.greater(y),
            x.less_equal(0.3),
            torch.isclose(x.round(), y.round()),
            x.not_equal(y),
        ),
        (3, 5),
        (3, 5),
    ),
    "logic": function(
        lambda x, y: (
            [c(x > 0, y > 0) for c in LOGIC]
            + [c(x.round(), y.round()) for c in LOGIC]
            + [torch.logical_not(x.round()), ~(x > 0)]
        ),
        (3, 5),
        (5,),
    ),
    "logic of integers": function(
        lambda x, y: [c(x, y) for c in LOGIC] + [torch.logical_not(x)], integers(3, 5), integers(5)
    ),
    "bits": function(
        lambda x, y: [c(x, y) for c in BITS] + [~x, x & 5, x | 2, x ^ 1],
        integers(3, 5),
        integers(5),
    ),
    "bits of bools": function(
        lambda x, y: [c(x > 0, y > 0) for c in BITS] + [(x > 0) & True], (3, 5), (5,)
    ),
    "bits of mixed types": function(
        lambda x, y, z: (x & y, x | z, y ^ z),
        integers(3, 5),
        integers(3, 5, dtype=torch.int32),
        lambda: torch.rand(3, 5) > 0.5,
    ),
    "bits, broadcast": function(
        lambda x, y: (x & y, y | x, x ^ y, x << y.abs(), y >> x.abs()),
        integers(3, 1, 5),
        integers(7, 5),
    ),
    "overloads for numbers": function(
        lambda x: (
            aten.bitwise_and.Scalar_Tensor(5, x),
            aten.bitwise_or.Scalar_Tensor(5, x),
            aten.bitwise_xor.Scalar_Tensor(5, x),
            aten.bitwise_left_shift.Tensor_Scalar(x, 2),
            aten.bitwise_right_shift.Tensor_Scalar(x, 1),
            aten.bitwise_right_shift.Tensor(x, x.abs()),
        ),
        integers(3, 5),
    ),
    "shifts": function(
        lambda x, y: (
            x << y,
            x >> y,
            x << 2,
            x >> 1,
            torch.bitwise_left_shift(x, y),
            torch.bitwise_right_shift(x, 1),
        ),
        integers(3, 5, low=-50, high=50),
        integers(5, low=0, high=5),
    ),
    "where": function(
        lambda x, y: (torch.where(x > 0, x, y), torch.where(y > x, x, y), torch.where(x > 5, x, y)),
        (3, 5, 7),
        (5, 1),
    ),
    "where with numbers": function(
        lambda x: (
            torch.where(x > 0, x, 0.3),
            torch.where(x > 0, 0.3, x),
            torch.where(x > 0, 1.0, -0.3),
            torch.where(x > 0, 3, 4),
            torch.where(x > 0, x, -float("inf")),
        ),
        (3, 5),
    ),
    "where of mixed types": function(
        lambda x, y: (
            torch.where(x > 0, x, y),
            torch.where(x > 0, y, 2),
            torch.where(x > 0, y, 2.5),
            torch.where(y > 0, x > 0, y > 1),
        ),
        (3, 5),
        integers(3, 5),
    ),
    "where by a wider condition": function(
        lambda x, y: torch.where(x > 0, y, 0.0), (3, 5, 7), (5, 1)
    ),
    "masked_fill": function(
        lambda x, y: (
            x.masked_fill(y > 0, 0.1),
            x.masked_fill(y > 0, -float("inf")),
            x.masked_fill(y > 0, torch.tensor(3.0)),
            (x > 0).masked_fill(y > 0, True),
            x.masked_fill(x > 0, torch.finfo(x.dtype).min),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "masked_fill of integers": function(
        lambda x, y: x.masked_fill(y > 0, -100), integers(3, 5), (3, 5)
    ),
    "between convolutions": module(
        lambda: nn.Sequential(nn.Conv1d(3, 5, 3), Gate(), nn.Conv1d(5, 7, 3)), (2, 3, 13)
    ),
    "of a scalar": function(lambda x: torch.where(x[0, 0] > x, x[0, 0], x) * (x.sum() > 0), (3, 5)),
}


class Gate(nn.Module):
    """Masks some channels, and some places."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("open", torch.tensor([1, 0, 1, 1, 0]).bool()[:, None])

    def forward(self, x):
        mask = torch.arange(x.shape[-1]) < 7
        return torch.where(self.open & mask, x, x.new_zeros(())).masked_fill(~self.open, 0.25)


@pytest.mark.parametrize("name", CASES)
def test_comparison(name: str) -> None:
    check(CASES[name])
