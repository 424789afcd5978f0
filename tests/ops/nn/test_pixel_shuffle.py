"""Shuffles of pixels and channels: a transpose where data moves, none for channels alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from op_case import Function, check, function, module

DYNAMIC = {"dynamic_shapes": ({0: Dim.AUTO, 2: Dim.AUTO},)}


def within(shuffle: nn.Module, before: int, after: int) -> nn.Module:
    """Between two convolutions, where channels lie last."""
    return nn.Sequential(nn.Conv2d(3, before, 1), shuffle, nn.Conv2d(after, 5, 1))


CASES = {
    "pixel": module(lambda: nn.PixelShuffle(2), (2, 12, 5, 7), transposes=1),
    "pixel, unbatched": module(lambda: nn.PixelShuffle(2), (12, 5, 7), transposes=1),
    "pixel, between convolutions": module(
        lambda: within(nn.PixelShuffle(3), 18, 2), (2, 3, 5, 7), transposes=1
    ),
    "pixel, dynamic height": module(
        lambda: within(nn.PixelShuffle(3), 18, 2), (2, 3, 5, 7), transposes=1, **DYNAMIC
    ),
    "pixel, two batches": function(
        lambda x: torch.pixel_shuffle(x, 2), (2, 3, 12, 5, 7), transposes=1
    ),
    "pixel, into one channel": module(lambda: nn.PixelShuffle(2), (2, 4, 5, 7), transposes=1),
    "pixel, into one channel, between convolutions": module(
        lambda: within(nn.PixelShuffle(2), 4, 1), (2, 3, 5, 7), transposes=1
    ),
    "pixel, one channel into one": module(lambda: nn.PixelShuffle(1), (2, 1, 5, 7)),
    "unshuffle, of one channel": module(lambda: nn.PixelUnshuffle(2), (2, 1, 10, 14), transposes=1),
    "unshuffle": module(lambda: nn.PixelUnshuffle(2), (2, 3, 10, 14), transposes=1),
    "unshuffle, between convolutions": module(
        lambda: within(nn.PixelUnshuffle(2), 5, 20), (2, 3, 10, 14), transposes=1
    ),
    "channels": module(lambda: nn.ChannelShuffle(3), (2, 15, 5, 7), transposes=1),
    "channels, 1-D": module(lambda: nn.ChannelShuffle(3), (2, 15, 7), transposes=1),
    "channels, between convolutions": module(
        lambda: within(nn.ChannelShuffle(3), 15, 15), (2, 3, 5, 7)
    ),
    "channels, native": function(
        lambda x: torch.native_channel_shuffle(x, 3), (2, 15, 5, 7), transposes=1
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_shuffle(name: str) -> None:
    check(CASES[name])


def otherwise(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A view that splits the width into 2 and the rest, where the shuffle has the 2 behind."""
    return x.reshape(x.shape[0], 4, 6, 2, -1), nn.functional.pixel_unshuffle(x, 2)


@pytest.mark.parametrize(
    "call", [otherwise, lambda x: otherwise(x)[::-1]], ids=["before", "behind"]
)
@pytest.mark.parametrize("dims", [(0,), (0, 3), (0, 2, 3)], ids=str)
@pytest.mark.parametrize("layout", ["keras", "torch"])
def test_beside_a_view_that_splits_the_dimension_otherwise(
    call: Any, dims: tuple[int, ...], layout: str
) -> None:
    dynamic = ((dict.fromkeys(dims, Dim.AUTO),),)
    case = t2k.convert(
        Function(call), (torch.randn(2, 4, 6, 6),), layout=layout, dynamic_shapes=dynamic
    )
    assert case.verification is not None
    assert case.verification.ok


ALL_BUT_CHANNELS = (({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},),)


def test_beside_a_shuffle_that_splits_the_dimension_otherwise() -> None:
    both = Function(
        lambda x: (nn.functional.pixel_unshuffle(x, 2), nn.functional.pixel_unshuffle(x, 3))
    )
    with pytest.raises(t2k.LoweringError, match="write one of the two as reshape and permute"):
        t2k.convert(both, (torch.randn(2, 4, 6, 6),), verify=False)
    with pytest.raises(t2k.LoweringError, match="out of dynamic_shapes"):
        t2k.convert(both, (torch.randn(2, 4, 6, 6),), dynamic_shapes=ALL_BUT_CHANNELS, verify=False)


ALL = (dict.fromkeys(range(4), Dim.AUTO),)


def test_every_size_dynamic() -> None:
    converted = t2k.convert(
        nn.PixelShuffle(2).eval(), (torch.randn(2, 4, 6, 6),), dynamic_shapes=ALL
    )
    assert converted.verification is not None
    assert converted.verification.ok


def test_a_dynamic_size_that_is_divided_is_refused() -> None:
    with pytest.raises(t2k.LoweringError, match="out of dynamic_shapes"):
        t2k.convert(nn.PixelUnshuffle(2).eval(), (torch.randn(2, 4, 6, 6),), dynamic_shapes=ALL)


def test_no_elements() -> None:
    converted = t2k.convert(nn.PixelUnshuffle(1).eval(), (torch.randn(2, 3, 5, 0),))
    assert converted(torch.randn(2, 3, 5, 0)).shape == (2, 3, 5, 0)
