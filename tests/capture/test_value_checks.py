"""Modules that check the values of a tensor, and those for which values decide more."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor
from torch._C import TensorBase

import torch2keras as t2k
from op_case import Case, Function, check, function


def raising(x: Tensor) -> Tensor:
    if torch.isnan(x).any():
        raise ValueError(f"not a number: {x}")
    assert (x.abs() >= 0).all()
    return F.relu(x)


def otherwise(x: Tensor) -> Tensor:
    return x + 1 if x.sum() > 0 else x


def later(x: Tensor) -> Tensor:
    if x.sum() > 1e9:
        x = x.reshape(1)
    return x * 2


def caught(x: Tensor) -> Tensor:
    try:
        return raising(x)
    except ValueError:
        return x


CHECKED: dict[str, Case] = {
    "raise and assert": function(raising, (2, 3, 7)),
    "between layers": function(lambda x, w: raising(F.conv1d(x, w)).mean(1), (2, 3, 13), (5, 3, 3)),
    "gaussian_nll_loss": function(
        lambda x, y, v: F.gaussian_nll_loss(x, y, v.exp(), full=True), (3, 5), (3, 5), (3, 5)
    ),
}


@pytest.mark.parametrize("name", CHECKED)
def test_checks_are_left_out_and_noted(name: str) -> None:
    assert "of values" in str(check(CHECKED[name]).report)
    assert torch.Tensor.__bool__ is TensorBase.__bool__


@pytest.mark.parametrize("call", [otherwise, later, caught])
def test_what_values_decide_is_refused(call) -> None:
    with pytest.raises(t2k.CaptureError, match="depends on the values"):
        t2k.convert(Function(call), (torch.randn(2, 3, 7),))


def test_the_batch_stays_dynamic() -> None:
    converted = t2k.convert(Function(raising), (torch.randn(2, 3, 7),))
    assert converted.model.input_shape[0] is None
    x = torch.randn(5, 3, 7)
    assert abs(converted(x) - F.relu(x).numpy()).max() == 0
