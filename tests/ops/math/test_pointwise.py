"""Functions of one tensor, each on its domain, in every type; casts; constants of a shape."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from op_case import Case, check, function, module

# What brings any number into the domain of the functions behind it.
DOMAINS = {
    "of all numbers": (
        lambda x: x,
        (
            torch.neg,
            torch.abs,
            torch.sign,
            torch.square,
            torch.sin,
            torch.cos,
            torch.tanh,
            torch.atan,
            torch.asinh,
            torch.erf,
            torch.erfc,
            torch.floor,
            torch.ceil,
            torch.round,
            torch.trunc,
            torch.frac,
            torch.sinc,
            torch.sgn,
            torch.special.expit,
            torch.deg2rad,
            torch.rad2deg,
            torch.special.ndtr,
        ),
    ),
    "of small numbers": (
        lambda x: x / 60,
        (torch.exp, torch.exp2, torch.expm1, torch.tan, torch.sinh, torch.cosh),
    ),
    "of positive numbers": (
        lambda x: x.abs() + 0.1,
        (
            torch.log,
            torch.log2,
            torch.log10,
            torch.log1p,
            torch.sqrt,
            torch.rsqrt,
            torch.reciprocal,
            lambda x: torch.acosh(x + 1),
            torch.special.entr,
        ),
    ),
    "of the interval": (
        lambda x: torch.tanh(x) * 0.99,
        (
            torch.asin,
            torch.acos,
            torch.atanh,
            torch.erfinv,
            lambda x: torch.logit(x * 0.4 + 0.5),
            lambda x: torch.logit(x, eps=0.1),
        ),
    ),
}
ROUNDED = (
    lambda x: torch.round(x, decimals=2),
    lambda x: torch.round(x * 9, decimals=-1),
    lambda x: torch.round(x * 2) / 2,
)
DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int8,
    torch.uint8,
    torch.bool,
)
SPECIAL = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -1.5, 2.5])


aten = torch.ops.aten


def on(domain: str, x: torch.Tensor) -> list[torch.Tensor]:
    bring, calls = DOMAINS[domain]
    return [call(bring(x)) for call in calls]


def special(call):
    """A function of a tensor with NaN and infinities among its values."""
    return function(lambda x: call(x * SPECIAL), lambda: torch.ones(3, 1))


CASES: dict[str, Case] = {
    **{name: function(lambda x, name=name: on(name, x), (3, 5, 7)) for name in DOMAINS},
    "rounded": function(lambda x: [call(x) for call in ROUNDED], (3, 5, 7)),
    "halves are rounded to even": function(torch.round, lambda: torch.arange(-7, 8) / 2),
    "of integers": function(
        lambda x: (
            x.abs(),
            x.neg(),
            x.sign(),
            torch.angle(x - 3),
            x.floor(),
            x.round(),
            x.square(),
            x.exp(),
            x.sqrt(),
            x.sin(),
            x.reciprocal(),
            torch.sigmoid(x),
            torch.isnan(x),
            torch.isfinite(x),
            x.log1p(),
            torch.trunc(x),
            torch.signbit(x - 3),
        ),
        lambda: torch.arange(1, 14),
    ),
    "of narrow integers": function(
        lambda x, y: (x.abs(), x.neg(), x.sign(), y.square(), y.sqrt()),
        lambda: torch.arange(-5, 6, dtype=torch.int8),
        lambda: torch.arange(0, 11, dtype=torch.uint8),
    ),
    "of bools": function(lambda x: ((x > 0).exp(), torch.sin(x > 0), (x > 0).sign()), (3, 5)),
    "nan and inf are found": special(
        lambda x: (
            x.isnan(),
            torch.angle(x),
            x.isinf(),
            x.isfinite(),
            torch.isposinf(x),
            torch.isneginf(x),
            torch.signbit(x),
        )
    ),
    "angles": special(torch.angle),
    "nan and inf are replaced": special(
        lambda x: (
            torch.nan_to_num(x),
            torch.nan_to_num(x, 1.5, 2.5, -3.5),
            torch.nan_to_num(x, posinf=7.0),
        )
    ),
    "nan goes through": special(
        lambda x: (
            x.clamp(-1, 1),
            torch.relu(x),
            x.clamp(min=0),
            F.hardtanh(x),
            F.softshrink(x),
            F.hardshrink(x),
            F.threshold(x, 0.1, 9.0),
            torch.maximum(x, x * 0),
            x.abs(),
            x.sum(-1),
            x.floor(),
            F.leaky_relu(x),
        )
    ),
    "casts": function(lambda x: [(x * 3).to(d) for d in DTYPES if d != torch.uint8], (3, 5)),
    "casts of integers": function(lambda x: [x.to(d) for d in DTYPES], lambda: torch.arange(11)),
    "casts of bools": function(lambda x: [(x > 0).to(d) for d in DTYPES], (3, 5)),
    "casts by other names": function(
        lambda x, y: (
            x.type_as(y),
            y.float() + x,
            x.half().float(),
            x.double(),
            x.to(y),
            y.to("cpu"),
            x.bool(),
            x.int(),
        ),
        (3, 5),
        lambda: torch.arange(5),
    ),
    "casts of floats to narrow integers": function(
        lambda x: (
            (x * 3).byte(),
            (x * 3).char(),
            (x * 3).short(),
            aten._to_copy.default(x, dtype=torch.float64),
        ),
        (3, 5),
    ),
    "logit beyond the middle": function(lambda x: torch.logit(torch.sigmoid(x), eps=0.7), (3, 5)),
    "casts there and back": function(
        lambda x: x.to(torch.bfloat16).to(torch.float32) * 2 + x.double().float(), (3, 5)
    ),
    "constants of a shape": function(
        lambda x: (
            torch.zeros_like(x),
            torch.ones_like(x),
            torch.full_like(x, 0.3),
            torch.fill(x, 0.7),
            torch.ones_like(x, dtype=torch.int64),
            torch.full_like(x, 3, dtype=torch.int32),
            torch.zeros_like(x > 0),
            torch.full_like(x, float("inf")),
        ),
        (3, 5, 7),
    ),
    "between convolutions": module(
        lambda: nn.Sequential(nn.Conv1d(3, 5, 3), Snake(5), nn.Conv1d(5, 7, 3)), (2, 3, 13)
    ),
    "of a scalar": function(lambda x: x[0, 0].exp() + x[1, 1].sin().to(torch.float64), (3, 5)),
}


class Snake(nn.Module):
    """x + sin(a x)^2 / a, with a trainable slope for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.rand(1, channels, 1) + 0.5)

    def forward(self, x):
        return x + (self.slope + 1e-9).reciprocal() * torch.sin(self.slope * x).pow(2)


@pytest.mark.parametrize("name", CASES)
def test_pointwise(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("domain", DOMAINS)
def test_in_other_floats(domain: str, dtype: torch.dtype) -> None:
    check(function(lambda x: on(domain, x), lambda: torch.randn(3, 5, 7).to(dtype)))


def test_what_keras_lacks_is_refused() -> None:
    import torch2keras as t2k

    with pytest.raises(t2k.UnsupportedOpError, match="airy_ai"):
        check(function(torch.special.airy_ai, (3, 5)))
