"""Conditions on sizes are written by the names of the inputs, and what breaks them is found."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.export import Dim

import torch2keras as t2k
from op_case import Function


def checked(x: Tensor, y: Tensor) -> Tensor:
    assert x.shape[0] % 2 == 0
    assert x.shape[0] <= 16
    return x * 2 + y.unflatten(1, (-1, 3)).sum(2)


@pytest.fixture(scope="module")
def converted() -> t2k.Converted:
    third = Dim("third", min=2, max=50)
    shapes = (({0: Dim.AUTO, 1: third}, {0: Dim.AUTO, 1: 3 * third}),)
    return t2k.convert(
        Function(checked), (torch.randn(4, 7), torch.randn(4, 21)), dynamic_shapes=shapes
    )


LIMITS = (
    "args_0.shape[0] <= 16",
    "args_0.shape[1] <= 50",
    "(args_0.shape[0] % 2) == 0",
)


def test_the_report_and_the_file_say_the_limits(converted: t2k.Converted, tmp_path: Path) -> None:
    assert sorted(converted.report.limits) == sorted(LIMITS)
    assert "limits      " in str(converted.report)
    path = converted.save(tmp_path / "model.keras")
    with zipfile.ZipFile(path) as archive:
        facts = json.loads(archive.read("torch2keras.json"))
    assert sorted(facts["limits"]) == sorted(LIMITS)
    assert [port["torch_shape"] for port in facts["inputs"]] == [[None, None], [None, None]]


BROKEN = [((18, 7), "<= 16"), ((5, 7), "no multiple of 2"), ((4, 51), "<= 50")]


@pytest.mark.parametrize(("shape", "says"), BROKEN)
def test_a_call_that_breaks_a_limit_is_refused(
    converted: t2k.Converted, shape: tuple[int, int], says: str
) -> None:
    batch, length = shape
    with pytest.raises(t2k.InputError, match=says):
        converted(torch.randn(batch, length), torch.randn(batch, 3 * length))


def test_a_call_within_the_limits_is_taken(converted: t2k.Converted) -> None:
    x, y = torch.randn(16, 50), torch.randn(16, 150)
    assert converted(x, y).shape == (16, 50)


def test_a_model_without_limits_says_nothing_of_them() -> None:
    report = t2k.convert(torch.nn.Linear(3, 5), torch.randn(2, 3)).report
    assert report.limits == ()
    assert "limits" not in str(report)
