"""A Converted says what it cannot be called with, before Keras does something else with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

import torch2keras as t2k
from op_case import Function


class Positions(nn.Module):
    """A table of 13 positions."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(13, 5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.table(torch.arange(x.shape[1]))
        return y


@pytest.fixture(scope="module")
def bounded() -> t2k.Converted:
    return t2k.convert(
        Positions(),
        torch.randn(2, 7, 5),
        dynamic_shapes=({0: Dim.AUTO, 1: Dim("l", min=3, max=13)},),
    )


@pytest.fixture(scope="module")
def halves() -> t2k.Converted:
    """Two inputs whose lengths fit, the second a multiple of three."""

    def forward(x: Tensor, y: Tensor) -> Tensor:
        return x + y.unflatten(1, (-1, 3)).sum(2)

    third = Dim("third", min=2, max=50)
    shapes = (({0: Dim.AUTO, 1: third}, {0: Dim.AUTO, 1: 3 * third}),)
    return t2k.convert(
        Function(forward), (torch.randn(2, 7), torch.randn(2, 21)), dynamic_shapes=shapes
    )


@pytest.mark.parametrize("shape", [(1, 3, 5), (11, 13, 5)])
def test_within_the_bounds(bounded: t2k.Converted, shape: tuple[int, ...]) -> None:
    assert bounded(torch.randn(shape)).shape == shape


OUTSIDE: list[tuple[tuple[int, ...], str]] = [
    ((2, 17, 5), r"x\.shape\[1\] <= 13"),
    ((2, 2, 5), r"x\.shape\[1\] >= 3"),
    ((2, 7, 3), "dimension 2 of x is 3, not 5"),
    ((7, 5), "x has 2 dimensions, not 3"),
]


@pytest.mark.parametrize(("shape", "said"), OUTSIDE, ids=str)
def test_outside(bounded: t2k.Converted, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(t2k.InputError, match=said):
        bounded(torch.randn(shape))


UNLIKE: list[tuple[Callable[[], tuple[Tensor, ...]], str]] = [
    (lambda: (torch.randn(2, 7), torch.randn(2, 24)), "dimension 1 of args_1 is 24"),
    (lambda: (torch.randn(2, 7), torch.randn(2, 22)), "no multiple of 3"),
    (lambda: (torch.randn(2, 7), torch.randn(3, 21)), "dimension 0 of args_0 does not fit"),
    (lambda: (torch.randn(2, 7),), "takes 2 tensors, 1 are given"),
]


@pytest.mark.parametrize(("inputs", "said"), UNLIKE, ids=[said for _, said in UNLIKE])
def test_sizes_that_do_not_fit_each_other(
    halves: t2k.Converted, inputs: Callable[[], tuple[Tensor, ...]], said: str
) -> None:
    with pytest.raises(t2k.InputError, match=said):
        halves(*inputs())
