"""A choice that only keeps the gradient of a root finite is left out; others stay."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from deployed import deploy


class Root(nn.Module):
    """A root with a choice where its operand has a value."""

    def __init__(self, at: float, instead: float) -> None:
        super().__init__()
        self.at, self.instead = at, instead

    def forward(self, x: Tensor) -> Tensor:
        square = x * x
        mask = square == self.at
        return torch.where(mask, self.instead, torch.sqrt(torch.where(mask, 1.0, square))) + 1


def make_input() -> Tensor:
    """Return numbers, some of them zero."""
    x = torch.randn(2, 9)
    x[:, ::3] = 0
    return x


def test_guarded_root_is_the_root() -> None:
    found = deploy(Root(0.0, 0.0), make_input()).operators
    assert not {"EQUAL", "SELECT_V2", "SELECT"} & set(found)
    assert found["SQRT"] == 1


@pytest.mark.parametrize(("at", "instead"), [(0.0, 2.0), (1.0, 0.0)])
def test_other_choices_stay(at: float, instead: float) -> None:
    found = deploy(Root(at, instead), make_input()).operators
    assert {"SELECT_V2", "SELECT"} & set(found)


class Magnitude(nn.Module):
    """How large the numbers of a spectrum are."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(x).abs()


def test_magnitude_of_complex_numbers_has_no_choice() -> None:
    found = deploy(Magnitude(), torch.randn(2, 16)).operators
    assert not {"EQUAL", "SELECT_V2", "SELECT"} & set(found)
