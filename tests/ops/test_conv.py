"""Convolutions: every documented configuration, odd and even kernels and lengths."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from conversion import Case, check, module


def conv(*args: Any, length: int, batch: int | None = 2, cls: type[nn.Module] = nn.Conv1d, **kwargs: Any) -> Case:
    """One convolution on (batch, channels, length)."""
    shape = (args[0], length) if batch is None else (batch, args[0], length)
    return module(lambda: cls(*args, **kwargs), shape)


CASES = {
    "k5 p2 is same": conv(3, 7, 5, padding=2, length=19),
    "k5 s2 p2 is not same, even length": conv(3, 7, 5, padding=2, stride=2, length=20),
    "k5 s2 p2 is not same, odd length": conv(3, 7, 5, padding=2, stride=2, length=19),
    "unbatched": conv(3, 7, 5, padding=2, length=19, batch=None),
    "depthwise": conv(5, 5, 3, groups=5, length=19),
    "depthwise, multiplied": conv(5, 15, 3, groups=5, length=19),
    "groups": conv(6, 9, 3, groups=3, length=19),
    "stride and dilation": conv(3, 7, 3, stride=2, dilation=2, padding=2, length=19),
    "named same, even kernel": conv(3, 7, 4, padding="same", length=19),
    "no bias": conv(3, 7, 4, bias=False, length=19),
}


@pytest.mark.parametrize("name", CASES)
def test_conv(name: str) -> None:
    check(CASES[name])
