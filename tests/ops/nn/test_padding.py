"""Padding in every mode: both sides, cropping, any dims, dynamic lengths."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from op_case import Case, Function, check, function, module

MODES = ("constant", "reflect", "replicate", "circular")
WIDTHS = ((1, 2), (3, 0), (-2, 3), (2, -3), (-3, -1))
DYNAMIC = {"dynamic_shapes": (({0: Dim.AUTO, 2: Dim.AUTO},),)}


def pad(
    shape: tuple[int, ...],
    *widths: int,
    mode: str = "constant",
    value: float | None = None,
    **options: Any,
) -> Case:
    return function(lambda x: F.pad(x, widths, mode=mode, value=value), shape, **options)


def between(*widths: int, mode: str, channels: int = 5) -> Case:
    """Between two convolutions, where channels lie last."""
    padding = Function(lambda x: F.pad(x, widths, mode=mode))
    return module(
        lambda: nn.Sequential(nn.Conv1d(3, 5, 3), padding, nn.Conv1d(channels, 7, 2)), (2, 3, 13)
    )


CASES = {
    **{
        f"{mode} {widths}": pad((2, 3, 11), *widths, mode=mode)
        for mode in MODES
        for widths in WIDTHS
    },
    **{f"{mode}, dynamic": pad((2, 3, 11), 3, 2, mode=mode, **DYNAMIC) for mode in MODES},
    **{f"{mode}, unbatched": pad((3, 11), 3, 2, mode=mode) for mode in MODES},
    **{f"{mode}, 2-D": pad((2, 3, 11, 7), 1, 2, -1, 3, mode=mode) for mode in MODES},
    **{f"{mode}, 3-D": pad((2, 3, 11, 7, 5), 1, 2, -1, 3, 0, 4, mode=mode) for mode in MODES},
    **{f"{mode} between convolutions": between(2, 1, mode=mode) for mode in MODES},
    "reflect what is cropped": pad((2, 3, 9), -7, 3, mode="reflect"),
    "replicate one element": pad((2, 3, 1), 1, 2, mode="replicate"),
    "last of four dims": pad((2, 3, 11, 7), 1, 2),
    "all dims": pad((2, 3, 11), 1, 2, 3, 4, 5, 6, value=1.5),
    "channels between convolutions": between(0, 0, 1, 2, mode="constant", channels=8),
    "two numbers of one dim": pad((11,), 1, 2, value=-3.0),
    "integers": function(
        lambda x: F.pad(x, (1, 2), value=3), lambda: torch.arange(34).reshape(2, 17)
    ),
    "integers, circular": function(
        lambda x: F.pad(x, (1, 2), mode="circular"), lambda: torch.arange(34).reshape(1, 2, 17)
    ),
    "truth values": function(
        lambda x: F.pad(x, (1, 2), value=True), lambda: torch.arange(34).reshape(2, 17) % 3 == 0
    ),
    "minus infinity": function(
        lambda x: F.max_pool1d(F.pad(x, (2, 1), value=float("-inf")), 3), (2, 3, 17)
    ),
    "ConstantPad1d": module(lambda: nn.ConstantPad1d((3, 1), 2.5), (2, 3, 11)),
    "ZeroPad2d": module(lambda: nn.ZeroPad2d((3, 1, 0, 2)), (2, 3, 11, 7)),
    "ReflectionPad1d": module(lambda: nn.ReflectionPad1d((3, 1)), (2, 3, 11)),
    "ReflectionPad3d": module(lambda: nn.ReflectionPad3d(2), (2, 3, 5, 7, 11)),
    "ReplicationPad2d": module(lambda: nn.ReplicationPad2d((3, 1, 0, 2)), (2, 3, 11, 7)),
    "CircularPad3d": module(lambda: nn.CircularPad3d((3, 1, 0, 2, 1, 1)), (2, 3, 5, 7, 11)),
    "aten.constant_pad_nd": function(
        lambda x: torch.constant_pad_nd(x, (1, 2, 0, 3), 2.5), (2, 3, 11)
    ),
    "aten.reflection_pad1d": function(
        lambda x: torch.ops.aten.reflection_pad1d(x, (1, 2)), (2, 3, 11)
    ),
    "aten.reflection_pad2d": function(
        lambda x: torch.ops.aten.reflection_pad2d(x, (1, 2, 3, 0)), (2, 3, 11, 7)
    ),
    "aten.reflection_pad3d": function(
        lambda x: torch.ops.aten.reflection_pad3d(x, (1, 2, 3, 0, 1, 1)), (2, 3, 5, 7, 11)
    ),
    "aten.replication_pad1d": function(
        lambda x: torch.ops.aten.replication_pad1d(x, (1, 2)), (2, 3, 11)
    ),
    "aten.replication_pad2d": function(
        lambda x: torch.ops.aten.replication_pad2d(x, (1, 2, 3, 0)), (2, 3, 11, 7)
    ),
    "aten.replication_pad3d": function(
        lambda x: torch.ops.aten.replication_pad3d(x, (1, 2, 3, 0, 1, 1)), (2, 3, 5, 7, 11)
    ),
    "aten._pad_circular": function(lambda x: torch.ops.aten._pad_circular(x, (1, 2)), (2, 3, 11)),
}


@pytest.mark.parametrize("name", CASES)
def test_padding(name: str) -> None:
    check(CASES[name])


def test_zeros_between_layers_are_a_layer_of_zero_padding() -> None:
    converted = check(between(2, 1, mode="constant"))
    assert [type(layer).__name__ for layer in converted.model.layers[1:]] == [
        "Conv1D",
        "ZeroPadding1D",
        "Conv1D",
    ]


def test_a_width_that_depends_on_a_dynamic_length_is_refused() -> None:
    even = function(lambda x: F.pad(x, (0, x.shape[2] % 2)), (2, 3, 11), **DYNAMIC)
    with pytest.raises(t2k.errors.LoweringError, match="a padding that depends on a dynamic size"):
        check(even)
