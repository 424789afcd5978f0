"""How far random rounding moves a result: as far as what its kernels compute on the way loses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from op_case import Function
from torch2keras.verification.random_rounding import RandomRuns, Rounded, has_some_of
from torch2keras.verification.reference import run64

EPS = 2.0**-52

CASES: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], list[float]]] = {
    "a certain log_softmax": (lambda x: x.log_softmax(-1)[:1], [23.0, 0.0, -1.0]),
    "a logsumexp near zero": (lambda x: x.logsumexp(-1, keepdim=True), [-1e-10, -30.0, -31.0]),
    "a logaddexp near zero": (
        lambda x: torch.logaddexp(x[:1], x[1:]),
        [-0.6931471805, -0.69314718],
    ),
    "the tail of gelu": (nn.functional.gelu, [-8.0]),
    "layer norm of almost a constant": (
        lambda x: nn.functional.layer_norm(x, x.shape, eps=1e-20),
        [1.0, 1.0 + 1e-9],
    ),
}
"""The result is far smaller than what it is the difference of."""


@pytest.mark.parametrize("name", CASES)
def test_what_cancels_counts(name: str) -> None:
    function, numbers = CASES[name]
    module, args = Function(function), (torch.tensor(numbers, dtype=torch.float64),)
    (exact,) = run64(module, args, {})
    moved = max(
        abs(noisy - exact).max()
        for noisy in Rounded(RandomRuns(module, args, {}), 0, exact).draws(EPS)
    )
    assert moved > 1e3 * EPS * abs(exact).max()


@pytest.mark.parametrize("size", [0, 1, 3, 7, 17, 1009])
def test_a_few_numbers_tell_what_is_no_move(size: int) -> None:
    operand = torch.randn(size, dtype=torch.float64)
    known = [operand, torch.zeros(1, dtype=torch.float64)]
    assert has_some_of(known, operand.flip(0))
    assert has_some_of(known, torch.zeros(size, dtype=torch.float64))
    assert has_some_of(known, operand * 2) == (size == 0)


LENGTH = 30011

SUMS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mm": lambda x: x[:1] @ x[1:].mT,
    "addmm": lambda x: torch.addmm(torch.ones(1), x[:1], x[1:].mT),
    "bmm": lambda x: x[None, :1] @ x[None, 1:].mT,
    "baddbmm": lambda x: torch.baddbmm(torch.ones(1, 1, 1), x[None, :1], x[None, 1:].mT),
    "linear": lambda x: nn.functional.linear(x[:1], x[1:], torch.ones(1)),
    "channels": lambda x: nn.functional.conv1d(x[None, 0, :, None], x[1:, :, None]),
    "taps": lambda x: nn.functional.conv1d(x[:1], x[1:, None]),
    "groups": lambda x: nn.functional.conv1d(x, x.flip(0)[:, None], groups=2)[:1],
    "transposed": lambda x: nn.functional.conv_transpose1d(
        x[None, 0, :, None], x[1, :, None, None]
    ),
}
"""The product of two long rows, by each kernel that sums products."""


@pytest.mark.parametrize("name", SUMS)
def test_one_term_after_the_other_is_a_right_order(name: str) -> None:
    generator = torch.Generator().manual_seed(11)
    x = torch.rand(2, LENGTH, generator=generator) + 0.5
    module = Function(SUMS[name])
    (exact,) = run64(module, (x,), {})
    products = (x[0] * x[1]).numpy()
    in_order = products.cumsum(dtype=products.dtype)[-1] - products.sum(dtype="float64")
    rounded = Rounded(RandomRuns(module, (x,), {}), 0, exact)
    theirs = exact.astype("float32")  # as lucky as can be
    assert rounded.numerics((exact + in_order).astype("float32"), theirs, 2.0**-23).ok
    assert not rounded.numerics((exact * (1 + 1 / 1009)).astype("float32"), theirs, 2.0**-23).ok
    assert abs(in_order) > 16 * 2.0**-23 * exact.max()
