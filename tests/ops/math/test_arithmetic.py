"""Arithmetic of several operands: signs, rounding, broadcasting, PyTorch's promotion of types."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from op_case import Case, check, function, module

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
DTYPES = (*FLOATS, torch.int64, torch.int32, torch.int8, torch.uint8, torch.bool)
MODES = (None, "trunc", "floor")


aten = torch.ops.aten


def integers(*shape, low=-7, high=8, dtype=torch.int64):
    return lambda: torch.randint(low, high, shape).to(dtype)


def nonzero(*shape, dtype=torch.int64):
    return lambda: (torch.randint(1, 5, shape) * (2 * torch.randint(0, 2, shape) - 1)).to(dtype)


CASES: dict[str, Case] = {
    "add": function(
        lambda x, y: (x + y, x.add(y, alpha=0.3), x + 0.1, 0.1 + x, torch.add(x, 2, alpha=3)),
        (3, 5, 7),
        (5, 1),
    ),
    "sub": function(
        lambda x, y: (x - y, x.sub(y, alpha=0.3), x - 0.1, 0.1 - x, torch.rsub(x, y, alpha=2)),
        (3, 5, 7),
        (5, 1),
    ),
    "mul": function(lambda x, y: (x * y, x * 0.1, 3 * x, x * y[0], x * True), (3, 5, 7), (5, 1)),
    "div": function(
        lambda x, y: (x / (y.abs() + 1), x / 0.3, 0.3 / (x.abs() + 1), torch.div(x, 3)),
        (3, 5, 7),
        (5, 1),
    ),
    "div with modes": function(
        lambda x, y: [
            torch.div(x, d, rounding_mode=m)
            for d in (y.sign() * (y.abs() + 0.5), 0.7, -2)
            for m in MODES
        ],
        (3, 5, 7),
        (5, 1),
    ),
    "floor_divide": function(
        lambda x, y: (x // (y.abs() + 1), x // 0.3, x // -2, 5 // (x.abs() + 1)), (3, 5, 7), (5, 1)
    ),
    "floor_divide of what is nearly whole": function(
        lambda x: (x // 0.1, x / 10 // 0.1, x.to(torch.float64) // 0.1),
        lambda: torch.arange(-20.0, 21.0),
    ),
    "floor_divide by zero": function(lambda x: x // (x * 0), lambda: torch.arange(1.0, 8.0)),
    "remainder": function(
        lambda x, y: (
            x % (y + 0.5),
            x % 0.3,
            x % -2,
            torch.remainder(x, y.abs() + 1),
            3 % (x.abs() + 1),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "fmod": function(
        lambda x, y: (x.fmod(y + 0.5), x.fmod(0.3), x.fmod(-2), x.fmod(y.abs() + 1)),
        (3, 5, 7),
        (5, 1),
    ),
    "divisions of integers": function(
        lambda x, y: (
            [torch.div(x, y, rounding_mode=m) for m in MODES]
            + [x // y, x % y, x.fmod(y), x / 2, x // 2, x // -2]
            + [torch.div(x, d, rounding_mode="trunc") for d in (3, -3, 2.5)]
            + [x % 3, x % -3, x.fmod(-3), x / y]
        ),
        integers(3, 5),
        nonzero(5),
    ),
    "divisions of narrow integers": function(
        lambda x, y: [torch.div(x, y, rounding_mode=m) for m in MODES] + [x // y, x % y, x.fmod(y)],
        integers(3, 5, dtype=torch.int8),
        nonzero(5, dtype=torch.int8),
    ),
    "divisions of bytes": function(
        lambda x, y: [torch.div(x, y, rounding_mode=m) for m in MODES] + [x // y, x % y, x.fmod(y)],
        integers(3, 5, low=0, high=200, dtype=torch.uint8),
        integers(5, low=1, high=9, dtype=torch.uint8),
    ),
    "pow": function(
        lambda x, y: (
            x**2,
            x**3,
            x.abs() ** 0.5,
            (x.abs() + 1) ** -0.5,
            (x.abs() + 1) ** -1,
            (x.abs() + 1) ** -2,
            x**0,
            x**1,
            (x.abs() + 0.1) ** 1.7,
            (x.abs() + 0.1) ** (y / 60),
            2 ** (x / 60),
            0.3 ** (x / 60),
            x.float_power(2),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "pow of integers": function(
        lambda x, y: (x**2, x**3, x**y, 2**y, x**0.5 * 0 + (x.abs() + 1) ** -0.5, x**2.0),
        integers(3, 5),
        integers(5, low=0, high=4),
    ),
    "clamp": function(
        lambda x, y: (
            x.clamp(-0.3, 0.7),
            x.clamp(min=0.1),
            x.clamp(max=0.1),
            x.clamp(0.7, -0.3),
            x.clamp(y, y + 0.5),
            x.clamp(max=y),
            x.clip(min=y),
            x.clamp_min(0.2),
            x.clamp_max(y),
            x.clamp_min(y),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "clamp of integers": function(
        lambda x, y: (
            x.clamp(-2, 3),
            x.clamp(min=0.5),
            x.clamp(max=1),
            x.clamp(min=y),
            x.clamp(y, y + 1),
        ),
        integers(3, 5),
        integers(5),
    ),
    "extremes": function(
        lambda x, y: (
            torch.maximum(x, y),
            torch.minimum(x, y),
            torch.max(x, y),
            torch.min(x, y),
            torch.fmax(x, y),
            torch.fmin(x, y),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "extremes of mixed types": function(
        lambda x, y: (
            torch.maximum(x, y),
            torch.minimum(y, x > 0),
            torch.maximum(x > 0, x > 1),
            torch.min(x > 0, x > 1),
        ),
        (3, 5),
        integers(5),
    ),
    "fused": function(
        lambda x, y: (
            torch.addcmul(x, y, x),
            torch.addcmul(x, y, x, value=0.3),
            torch.addcdiv(x, x, y.abs() + 1, value=0.3),
            torch.addcdiv(y, x, x.abs() + 1),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "lerp": function(
        lambda x, y: (
            torch.lerp(x, y, 0.3),
            torch.lerp(x, y, 0.7),
            torch.lerp(y, x, 1.0),
            torch.lerp(x, y, torch.sigmoid(x)),
            torch.lerp(x, y, torch.tensor(0.4)),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "of two numbers": function(
        lambda x, y: (
            torch.atan2(x, y),
            torch.hypot(x, y),
            torch.logaddexp(x, y),
            torch.logaddexp2(x, y),
            torch.copysign(x, y),
            torch.nextafter(x, y),
            torch.copysign(x, -1.0),
            torch.heaviside(x.round(), y),
            torch.ldexp(x, y.round() / 60),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "xlogy": function(
        lambda x, y: (
            torch.xlogy(x.round(), y.abs() + 0.1),
            torch.xlogy(x.round(), 0.3),
            torch.xlogy(0.3, y.abs() + 0.1),
            torch.special.xlog1py(x.round(), y.abs()),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "overloads for numbers": function(
        lambda x: (
            aten.div.Scalar(x, 0.3),
            aten.div.Scalar_mode(x, 0.3, rounding_mode="floor"),
            aten.sub.Scalar(x, 0.3),
            aten.floor_divide.Scalar(x, 0.3),
            aten.clamp_max.default(x, 0.3),
            aten.add.Scalar(x, 0.3, 2),
        ),
        (3, 5),
    ),
    "hypot of infinities and nan": function(
        lambda x, y: torch.hypot(
            x * torch.tensor([math.inf, -math.inf, 1.0, math.nan]),
            y * torch.tensor([math.inf, 2.0, math.nan, math.inf]),
        ),
        lambda: torch.ones(3, 1),
        lambda: torch.ones(3, 1),
    ),
    "gcd and lcm": function(
        lambda x, y: (torch.gcd(x, y), torch.lcm(x, y)), integers(3, 5), nonzero(5)
    ),
    "of bools": function(
        lambda x, y: (
            (x > 0) + (y > 0),
            (x > 0) * (y > 0),
            (x > 0) + 1,
            (x > 0) * 2.5,
            x * (y > 0),
            x + (y > 0),
        ),
        (3, 5, 7),
        (5, 1),
    ),
    "a parameter of one number": module(lambda: Scaled(()), (2, 5, 7)),
    "a parameter for each channel": module(lambda: Scaled((5, 1)), (2, 5, 7)),
    "parameters between convolutions": module(
        lambda: nn.Sequential(
            nn.Conv1d(3, 5, 3), Scaled((5, 1)), nn.Conv1d(5, 7, 3), Scaled((1, 7, 1)), Scaled(())
        ),
        (2, 3, 13),
    ),
    "a large constant": function(
        lambda x: x * torch.arange(7 * 61.0).view(7, 61) + torch.ones(61) / 3, (2, 7, 61)
    ),
    "broadcast against a row": function(
        lambda x, w: F.conv1d(x, w) * F.conv1d(x, w).mean(1, keepdim=True) + x[:, :1, 2:],
        (2, 3, 13),
        (5, 3, 3),
    ),
    "losses": function(
        lambda x, y: (
            F.mse_loss(x, y),
            F.l1_loss(x, y, reduction="sum"),
            F.smooth_l1_loss(x, y, beta=0.5),
            F.huber_loss(x, y, delta=0.7),
            F.binary_cross_entropy_with_logits(x, torch.sigmoid(y)),
            F.kl_div(x, torch.sigmoid(y), reduction="batchmean"),
            F.soft_margin_loss(x, y.sign()),
            F.poisson_nll_loss(x / 60, y.abs()),
        ),
        (3, 5),
        (3, 5),
    ),
}


class Scaled(nn.Module):
    """Two parameters and a number beside the data."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(shape) + 0.5)
        self.shift = nn.Parameter(torch.randn(shape))

    def forward(self, x):
        return (x - self.shift.exp()) * self.scale + self.shift / 3


@pytest.mark.parametrize("name", CASES)
def test_arithmetic(name: str) -> None:
    check(CASES[name])


def drawn(dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    """Numbers that each type holds: 0 to 4."""
    return torch.randint(0, 5, shape).to(dtype)


@pytest.mark.parametrize("left", DTYPES, ids=str)
def test_promotion(left: torch.dtype) -> None:
    """Each type with each other one, with numbers, and with scalars, which count less."""

    def module(x, *others):
        found = []
        for y in others:
            found += [x * y, x < y, torch.where(x > 1, x, y), torch.true_divide(x, y + 1), y + x]
        return [*found, x * 2, x + 2.5, x / 2, x * True, x > 1.5, x == 2]

    shapes = [(5,), ()]
    others = [lambda d=d, s=s: drawn(d, s) for d, s in itertools.product(DTYPES, shapes)]
    check(function(module, lambda: drawn(left, (3, 5)), *others))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_arithmetic_of_other_floats(dtype: torch.dtype) -> None:
    def calls(x, y):
        z = y.abs() + 0.5
        return (
            x + y * 0.1,
            x - 0.3,
            x / z,
            x // z,
            x % z,
            x.fmod(z),
            z**0.3,
            x**2,
            x.clamp(-0.3, 0.7),
            torch.lerp(x, y, 0.3),
            torch.maximum(x, y),
            torch.atan2(x, y),
            torch.logaddexp(x, y),
            torch.where(x > 0.1, x, 0.1),
        )

    check(
        function(calls, lambda: torch.randn(3, 5, 7).to(dtype), lambda: torch.randn(5, 1).to(dtype))
    )
