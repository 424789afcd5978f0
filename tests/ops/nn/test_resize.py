"""Resizing in every mode, by each kind of factor and to sizes; dynamic lengths too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from op_case import Case, Function, check, function, module

DYNAMIC = {"dynamic_shapes": (({0: Dim.AUTO, 2: Dim.AUTO},),)}
HALF = torch.float16


def resize(shape: tuple[int, ...], options: dict[str, Any] | None = None, **kwargs: Any) -> Case:
    return function(lambda x: F.interpolate(x, **kwargs), shape, **(options or {}))


ONE = {
    f"1-D {mode}, {name} {value:.3g}": resize((2, 3, 17), mode=mode, **{name: value})
    for mode in ("nearest", "nearest-exact", "linear", "area")
    for name, values in {
        "scale_factor": (2, 3, 0.5, 1 / 3, 0.25, 1.7, 1.05),
        "size": (23, 5, 34, 1, 17),
    }.items()
    for value in values
}
TWO = {
    f"2-D {mode}, {kwargs}": resize((2, 3, 17, 11), mode=mode, **kwargs)
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic")
    for kwargs in (
        {"scale_factor": 2},
        {"scale_factor": (2, 1.5)},
        {"scale_factor": 1.05},
        {"size": (23, 5)},
    )
}
ALIGNED = {
    f"{mode}, corners aligned, {kwargs}": resize(shape, mode=mode, align_corners=True, **kwargs)
    for mode, shape in {
        "linear": (2, 3, 17),
        "bilinear": (2, 3, 17, 11),
        "bicubic": (2, 3, 17, 11),
    }.items()
    for kwargs in ({"scale_factor": 2}, {"scale_factor": 1.7}, {"size": 5}, {"size": 1})
}
ANTIALIASED = {
    f"{mode}, antialiased, {kwargs}": resize((2, 3, 67, 41), mode=mode, antialias=True, **kwargs)
    for mode in ("bilinear", "bicubic")
    for kwargs in ({"scale_factor": 2}, {"scale_factor": (0.5, 1.7)}, {"size": (13, 7)})
}
LONG = {
    f"{mode}, dynamic length, {factor:.3g}": resize(
        (2, 3, 17), DYNAMIC, mode=mode, scale_factor=factor
    )
    for mode in ("nearest", "nearest-exact", "linear")
    for factor in (2, 3, 0.5, 1 / 3)
}
CASES = (
    ONE
    | TWO
    | ALIGNED
    | ANTIALIASED
    | LONG
    | {
        "recomputed factor": resize(
            (2, 3, 17), mode="linear", scale_factor=1.7, recompute_scale_factor=True
        ),
        "trilinear by size": resize((2, 3, 7, 11, 5), mode="trilinear", size=(5, 13, 10)),
        "trilinear by factor": resize((2, 3, 7, 11, 5), mode="trilinear", scale_factor=2),
        "3-D nearest": resize((2, 3, 7, 11, 5), mode="nearest", scale_factor=2),
        "3-D nearest-exact": resize((2, 3, 7, 11, 5), mode="nearest-exact", size=(5, 13, 10)),
        "constants above a kilobyte": resize((1, 2, 301), mode="linear", scale_factor=1.7),
        "float16": function(
            lambda x: F.interpolate(x, mode="linear", scale_factor=1.7),
            lambda: torch.randn(1, 2, 13).to(HALF),
        ),
        "places beyond bfloat16": function(
            lambda x: F.interpolate(x, scale_factor=1.7),
            lambda: torch.randn(1, 2, 601).to(torch.bfloat16),
        ),
        "bytes": function(
            lambda x: F.interpolate(x, scale_factor=2),
            lambda: torch.arange(42).reshape(1, 2, 21).to(torch.uint8),
        ),
        "1-D between convolutions": module(
            lambda: nn.Sequential(
                nn.Conv1d(3, 5, 3), nn.Upsample(scale_factor=2, mode="linear"), nn.Conv1d(5, 7, 2)
            ),
            (2, 3, 19),
        ),
        "antialiased between convolutions": module(
            lambda: nn.Sequential(
                nn.Conv2d(3, 5, 3),
                Function(lambda x: F.interpolate(x, (3, 5), mode="bilinear", antialias=True)),
                nn.Conv2d(5, 2, 1),
            ),
            (2, 3, 41, 37),
        ),
    }
)


@pytest.mark.parametrize("name", CASES)
def test_resize(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_whole_factor_between_convolutions_is_a_layer(rank: int) -> None:
    conv = getattr(nn, f"Conv{rank}d")
    converted = t2k.convert(
        nn.Sequential(conv(3, 5, 2), nn.Upsample(scale_factor=2)),
        (torch.randn(2, 3, *(5, 7, 11)[:rank]),),
    )
    assert [type(layer).__name__ for layer in converted.model.layers[1:]] == [
        f"Conv{rank}D",
        f"UpSampling{rank}D",
    ]


IMAGES = {"dynamic_shapes": (({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},),)}
ANTIALIAS: dict[str, Any] = {"size": (9, 7), "mode": "bilinear"}


def test_antialiasing_of_a_dynamic_length_is_refused_and_its_next_step_converts() -> None:
    with pytest.raises(t2k.LoweringError, match="antialiased resizing") as raised:
        check(resize((2, 3, 17, 11), IMAGES, antialias=True, **ANTIALIAS))
    assert "static, or resize with antialias=False" in str(raised.value)
    check(resize((2, 3, 17, 11), IMAGES, antialias=False, **ANTIALIAS))
    check(resize((2, 3, 17, 11), antialias=True, **ANTIALIAS))
