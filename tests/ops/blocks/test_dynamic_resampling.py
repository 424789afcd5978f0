"""Resizing of dynamic lengths: to the size of another tensor, and by any factor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch.export import Dim

import torch2keras as t2k
from op_case import Case, check, function

DYNAMIC = {"dynamic_shapes": (({0: Dim.AUTO, 2: Dim.AUTO},),)}
IMAGES = {"dynamic_shapes": (({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},),)}


def resize(**kwargs: Any) -> Case:
    return function(lambda x: F.interpolate(x, **kwargs), (2, 3, 17), **DYNAMIC)


def resize_to_input(mode: str, **kwargs: Any) -> Case:
    """The last step of a U-Net: what is about half as large gets the size of the input."""

    def call(x: torch.Tensor) -> torch.Tensor:
        small = F.avg_pool2d(x, 2, ceil_mode=True)
        return F.interpolate(small, size=x.shape[2:], mode=mode, **kwargs) + x

    return function(call, (2, 3, 13, 10), **IMAGES)


DYNAMIC_SIZES = (
    {
        f"1-D {mode}, {kwargs}": resize(mode=mode, **kwargs)
        for mode, more in {
            "nearest": ({"scale_factor": 1.7}, {"scale_factor": 0.75}),
            "nearest-exact": ({"scale_factor": 1.7},),
            "linear": (
                {"scale_factor": 1.7},
                {"scale_factor": 1.7, "recompute_scale_factor": True},
                {"scale_factor": 0.3},
                {"scale_factor": 2, "align_corners": True},
                {"size": 40},
                {"size": 1, "align_corners": True},
            ),
        }.items()
        for kwargs in more
    }
    | {
        f"to the size of the input, {mode}, {kwargs}": resize_to_input(mode, **kwargs)
        for mode, kwargs in (
            ("nearest", {}),
            ("nearest-exact", {}),
            ("bilinear", {}),
            ("bilinear", {"align_corners": True}),
            ("bicubic", {}),
            ("bicubic", {"align_corners": True}),
        )
    }
    | {
        "to a smaller tensor of another branch": function(
            lambda x, y: F.interpolate(x, size=y.shape[2:], mode="linear"),
            (2, 3, 17),
            (2, 3, 7),
            dynamic_shapes=(({0: Dim.AUTO, 2: Dim.AUTO}, {0: Dim.AUTO, 2: Dim.AUTO}),),
        )
    }
)


@pytest.mark.parametrize("name", DYNAMIC_SIZES)
def test_a_dynamic_length_is_resized_at_computed_places(name: str) -> None:
    converted = check(DYNAMIC_SIZES[name])
    assert any(None in tensor.shape[1:] for tensor in converted.model.inputs)
    assert any("another size" in each.probe for each in converted.verification.checks)


@pytest.mark.parametrize("length", [2, 3, 50, 333])
def test_lengths_far_from_the_example_are_resized_too(length: int) -> None:
    case = resize_to_input("bilinear")
    net = case.make()
    converted = t2k.convert(net, case.inputs(), verify=False, **case.options)
    x = torch.randn(1, 3, length, 2 * length + 1)
    wanted = net(x.double())  # in float32 PyTorch's own places are 1e-5 off
    np.testing.assert_allclose(converted(x), wanted, rtol=1e-6, atol=2e-6)
