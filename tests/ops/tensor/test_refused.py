"""Ops that are refused whatever their arguments, with the reason and a next step that converts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

import torch2keras.ops  # noqa: F401 - fills the registry
from op_case import check, function
from torch2keras.declarations.registry import Refusal, registry
from torch2keras.errors import UnsupportedOpError
from torch2keras.ops.tensor import refused
from torch2keras.ops.tensor.refused import REASONS

MOST = 12
"""The most repeats of all tokens together."""


def integers() -> torch.Tensor:
    return torch.tensor([3, 1, 0, 3, 2])


def positive() -> torch.Tensor:
    return torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [2.0, 0.5, 1.0]])


def repeat_by_matrix(x: torch.Tensor, repeats: torch.Tensor) -> torch.Tensor:
    end = repeats.cumsum(0)
    t = torch.arange(MOST)[:, None]
    return ((t >= end - repeats) & (t < end)).to(x.dtype) @ x


def mark_new(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    s = torch.sort(x).values
    return s, s[1:] != s[:-1]


class Advice(NamedTuple):
    """A call that is refused, what its next step tells to write, and the inputs of the two."""

    refusal: Refusal
    call: Callable[..., Any]
    instead: Callable[..., Any]
    inputs: tuple[Any, ...]
    instead_inputs: tuple[Any, ...] | None = None
    """Those of `instead`, where what was computed becomes an input."""


FOLLOWED = {
    "nonzero": Advice(
        refused.MASKED,
        lambda x: x[torch.nonzero(x > 0, as_tuple=True)].sum(),
        lambda x: torch.where(x > 0, x, 0).sum() / (x > 0).sum(),
        ((2, 3),),
    ),
    "masked_select": Advice(
        refused.MASKED,
        lambda x: torch.masked_select(x, x > 0),
        lambda x: torch.where(x > 0, x, 0),
        ((2, 3),),
    ),
    "unique": Advice(refused.UNIQUE, torch.unique_consecutive, mark_new, (integers,)),
    "bincount": Advice(
        refused.COUNTED, torch.bincount, lambda x: nn.functional.one_hot(x, 4).sum(0), (integers,)
    ),
    "repeats": Advice(
        refused.REPEATED,
        lambda x, repeats: torch.repeat_interleave(x, repeats, dim=0),
        repeat_by_matrix,
        ((5, 2), integers),
    ),
    "strides": Advice(
        refused.STRIDES,
        lambda x: (x * 2).t().as_strided((3,), (1,)),
        lambda x: x.unfold(1, 2, 1),
        ((3, 4),),
    ),
    "bits": Advice(
        refused.BIT_VIEW,
        lambda x: x.view(torch.int32),
        lambda x: x.to(torch.int32),
        (positive,),
    ),
    "rand": Advice(
        refused.RANDOM,
        lambda x: x + torch.rand(3),
        lambda x, noise: x + noise,
        ((2, 3),),
        ((2, 3), (3,)),
    ),
    "randint": Advice(
        refused.RANDOM,
        lambda x: x[torch.randint(0, 4, (3,))],
        lambda x, noise: x[noise],
        ((4, 3),),
        ((4, 3), lambda: torch.tensor([2, 0, 2])),
    ),
    "poisson": Advice(
        refused.WITHOUT_FORMULA,
        lambda x: x + torch.poisson(x.abs()),
        lambda x, noise: x + noise,
        ((2, 3),),
        ((2, 3), (2, 3)),
    ),
    "choices": Advice(
        refused.CHOSEN,
        lambda x: torch.multinomial(x.softmax(-1), 4, replacement=True),
        lambda x, noise: torch.searchsorted(x.softmax(-1).cumsum(-1), noise),
        ((2, 3),),
        ((2, 3), lambda: torch.rand(2, 4)),
    ),
    "eig": Advice(
        refused.NOT_UNIQUE,
        lambda x: torch.linalg.eigvals(x + x.t()),
        lambda x: torch.linalg.eigvalsh(x + x.t()),
        (positive,),
    ),
    "factors": Advice(
        refused.NO_SUCH_FACTORS, torch.geqrf, lambda x: torch.linalg.qr(x).R, (positive,)
    ),
    "igamma": Advice(
        refused.ENDLESS,
        lambda x: x + torch.igamma(x, x),
        lambda x, gamma: x + gamma,
        (positive,),
        (positive, lambda: torch.igamma(positive(), positive())),
    ),
    "edges": Advice(
        refused.CORNERS,
        lambda x: torch.histogramdd(x, bins=[2, 3])[0],
        lambda x, a, b: torch.histogramdd(x, bins=[a, b])[0],
        ((9, 2),),
        ((9, 2), lambda: torch.tensor([-3.0, 0, 3]), lambda: torch.tensor([-3.0, -1, 1, 3])),
    ),
    "hash": Advice(
        refused.BITS,
        lambda x: x + torch.hash_tensor(x),
        lambda x, number: x + number,
        (positive,),
        (positive, (1,)),
    ),
    "drawn": Advice(
        refused.DRAWN,
        lambda x: nn.functional.fractional_max_pool2d(x, 2, output_size=3),
        lambda x: nn.functional.adaptive_max_pool2d(x, 3),
        ((1, 2, 6, 6),),
    ),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_the_error_says_why_and_its_next_step_converts(name: str) -> None:
    advice = FOLLOWED[name]
    with pytest.raises(UnsupportedOpError) as raised:
        check(function(advice.call, *advice.inputs))
    rows = dict(raised.value.rows)
    assert (rows["why"], rows["next"]) == advice.refusal
    inputs = advice.instead_inputs or advice.inputs
    check(function(advice.instead, *inputs, transposes=2))


def test_repeating_by_a_matrix_is_what_repeat_interleave_gives() -> None:
    x, repeats = torch.randn(5, 2), integers()
    told = repeat_by_matrix(x, repeats)
    torch.testing.assert_close(told[: repeats.sum()], torch.repeat_interleave(x, repeats, dim=0))
    assert not told[repeats.sum() :].any()


def test_each_refusal_is_followed() -> None:
    assert {advice.refusal for advice in FOLLOWED.values()} == set(REASONS)


def test_no_op_is_refused_that_has_a_lowering() -> None:
    for refusal, ops in REASONS.items():
        for op in ops:
            assert registry.refused[op] == refusal
            assert op not in registry
