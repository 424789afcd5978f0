"""Pooling: windows at the borders, padding, odd, even and dynamic lengths."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from op_case import Case, check, function, module

DYNAMIC = {"dynamic_shapes": ({0: Dim.AUTO, 2: Dim.AUTO},)}


def pool(
    cls: type[nn.Module],
    *args: Any,
    shape: tuple[int, ...] = (2, 3, 17),
    options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Case:
    return module(lambda: cls(*args, **kwargs), shape, **(options or {}))


MAX = {
    f"max k{k} s{s} p{p} d{d}{', ceil' * ceil}, length {length}": pool(
        nn.MaxPool1d, k, s, p, d, ceil_mode=ceil, shape=(2, 3, length)
    )
    for k, s, p, d, ceil in (
        (3, 3, 0, 1, False),
        (3, 2, 1, 1, False),
        (3, 1, 1, 1, False),
        (3, 2, 1, 1, True),
        (2, 2, 0, 1, True),
        (3, 3, 0, 1, True),
        (2, 5, 1, 1, True),
        (3, 2, 1, 2, False),
        (2, 3, 1, 3, True),
    )
    for length in (17, 18)
}
AVERAGE = {
    f"average k{k} s{s} p{p}{', ceil' * ceil}{', unpadded' * (not counts)}, length {length}": pool(
        nn.AvgPool1d, k, s, p, ceil, counts, shape=(2, 3, length)
    )
    for k, s, p, ceil, counts in (
        (3, 3, 0, False, True),
        (3, 2, 1, False, True),
        (3, 2, 1, False, False),
        (3, 1, 1, False, True),
        (3, 1, 1, False, False),
        (3, 2, 1, True, True),
        (3, 2, 1, True, False),
        (2, 2, 0, True, True),
        (3, 5, 1, True, True),
        (3, 5, 1, True, False),
    )
    for length in (17, 18)
}
CASES = (
    MAX
    | AVERAGE
    | {
        "max, kernel as long as the input": pool(nn.MaxPool1d, 17),
        "max, unbatched": pool(nn.MaxPool1d, 3, 2, 1, shape=(3, 17)),
        "max, dynamic length": pool(nn.MaxPool1d, 3, 2, 1, ceil_mode=True, options=DYNAMIC),
        "max, dynamic length, dilated": pool(
            nn.MaxPool1d, 3, 2, 1, 2, ceil_mode=True, options=DYNAMIC
        ),
        "max, 2-D": pool(nn.MaxPool2d, (3, 2), 2, 1, ceil_mode=True, shape=(2, 3, 17, 19)),
        "max, 3-D": pool(nn.MaxPool3d, 3, 2, 1, shape=(2, 3, 7, 11, 13)),
        "max, 3-D, dilated": pool(
            nn.MaxPool3d, 3, 2, 1, dilation=(1, 2, 1), shape=(2, 3, 7, 11, 13)
        ),
        "max of integers": function(
            lambda x: F.max_pool1d(x, 3, 2, 1), lambda: torch.randint(-9, 9, (2, 3, 17))
        ),
        "max of integers behind a reshape": function(
            lambda x: F.max_pool2d(x.reshape(7, 1, 5, 3), 2, 1, 1),
            lambda: torch.randint(-9, 9, (7, 15)),
        ),
        "max, indices unused": function(
            lambda x: F.max_pool1d(x, 3, return_indices=True)[0], (2, 3, 17)
        ),
        "max, 2-D, indices unused": function(
            lambda x: F.max_pool2d(x, 3, return_indices=True)[0], (2, 3, 7, 11)
        ),
        "max, 3-D, indices unused": function(
            lambda x: F.max_pool3d(x, 3, return_indices=True)[0], (2, 3, 7, 11, 5)
        ),
        "average, unbatched": pool(nn.AvgPool1d, 3, 2, 1, count_include_pad=False, shape=(3, 17)),
        "average, dynamic length": pool(nn.AvgPool1d, 3, 2, 1, True, False, options=DYNAMIC),
        "average, 2-D": pool(nn.AvgPool2d, (3, 2), 2, 1, True, False, shape=(2, 3, 17, 19)),
        "average, 3-D": pool(nn.AvgPool3d, 3, 2, 1, True, shape=(2, 3, 7, 11, 13)),
        "average, another divisor": pool(
            nn.AvgPool2d, (3, 2), 2, 1, True, divisor_override=5, shape=(2, 3, 17, 19)
        ),
        "max, between convolutions": module(
            lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.MaxPool1d(3, 2, 1), nn.Conv1d(5, 7, 2)),
            (2, 3, 37),
        ),
        "average, between convolutions": module(
            lambda: nn.Sequential(
                nn.Conv1d(3, 5, 3), nn.AvgPool1d(2, ceil_mode=True), nn.Conv1d(5, 7, 2)
            ),
            (2, 3, 37),
        ),
    }
)


@pytest.mark.parametrize("name", CASES)
def test_pooling(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize(
    ("module", "layers"),
    [
        (nn.MaxPool1d(3, 1, 1), ["MaxPooling1D"]),
        (nn.MaxPool1d(2, ceil_mode=True), ["MaxPooling1D"]),
        (nn.AvgPool1d(3, 1, 1, count_include_pad=False), ["AveragePooling1D"]),
        (nn.AvgPool1d(3, 2, 1), ["ZeroPadding1D", "AveragePooling1D"]),
    ],
)
def test_native_padding_where_it_is_equal_at_every_length(
    module: nn.Module, layers: list[str]
) -> None:
    converted = t2k.convert(module, (torch.randn(2, 3, 17),))
    assert [type(layer).__name__ for layer in converted.model.layers[1:]] == layers


BOTH = {"dynamic_shapes": ({0: Dim.AUTO, 2: Dim.AUTO},)}

INDICES = {
    "1-D": function(lambda x: F.max_pool1d(x, 3, return_indices=True), (2, 3, 17)),
    "1-D, unbatched": function(lambda x: F.max_pool1d(x, 3, 2, return_indices=True), (3, 17)),
    "1-D, padded, dilated": function(
        lambda x: F.max_pool1d(x, 4, 3, 2, 2, return_indices=True), (2, 3, 19)
    ),
    "1-D, any length": function(
        lambda x: F.max_pool1d(x, 3, 2, 1, return_indices=True), (2, 3, 17), **BOTH
    ),
    "1-D, ceil": function(
        lambda x: F.max_pool1d(x, 3, 2, ceil_mode=True, return_indices=True), (2, 3, 18)
    ),
    "2-D": function(
        lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 0), return_indices=True), (2, 3, 7, 11)
    ),
    "2-D, any height": function(
        lambda x: F.max_pool2d(x, 3, 2, return_indices=True), (2, 3, 7, 11), **BOTH
    ),
    "2-D, equal numbers": function(
        lambda x: F.max_pool2d(x.sign(), 3, return_indices=True), (2, 3, 7, 11)
    ),
    "3-D": function(lambda x: F.max_pool3d(x, (2, 3, 1), return_indices=True), (2, 3, 5, 7, 3)),
    "and back": function(
        lambda x: F.max_unpool1d(*F.max_pool1d(x, 2, return_indices=True), 2), (2, 3, 16)
    ),
}


@pytest.mark.parametrize("name", INDICES)
def test_indices(name: str) -> None:
    check(INDICES[name])


def test_indices_of_large_windows_are_refused() -> None:
    with pytest.raises(t2k.LoweringError, match="the model uses"):
        check(function(lambda x: F.max_pool2d(x, 9, return_indices=True), (2, 3, 17, 19)))


def test_averages_of_integers_are_refused() -> None:
    with pytest.raises(t2k.LoweringError, match="make floats of the input"):
        t2k.convert(nn.AvgPool1d(3), (torch.arange(42).reshape(2, 3, 7),))
