"""The softmax family, along every dimension, and masked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

import torch2keras as t2k
from op_case import Case, Function, check, function, module

INF = float("inf")


def after_conv(call: Any) -> Case:
    return function(lambda x, w: call(F.conv1d(x, w)), (2, 3, 11), (5, 3, 3))


def masked(x: torch.Tensor) -> torch.Tensor:
    """Every second entry hidden."""
    return x.masked_fill(torch.arange(x.shape[-1]) % 2 == 1, -INF)


CASES = {
    "softmax": module(lambda: nn.Softmax(dim=-1), (2, 3, 7)),
    "softmax, channels": after_conv(lambda y: torch.softmax(y, 1)),
    "softmax, positions": after_conv(lambda y: torch.softmax(y, 2)),
    "softmax, batch": module(lambda: nn.Softmax(dim=0), (3, 7)),
    "softmax, dtype": function(lambda x: torch.softmax(x, 1, dtype=torch.float64), (2, 5)),
    "softmax, six dimensions": module(lambda: nn.Softmax(dim=2), (2, 3, 5, 2, 3, 2)),
    "softmax, six dimensions, the last": module(lambda: nn.Softmax(dim=-1), (2, 3, 5, 2, 3, 2)),
    "softmax, integers": function(
        lambda x: torch.softmax(x, 1, dtype=torch.float32), lambda: torch.randint(-5, 5, (3, 7))
    ),
    "softmax, 2d": module(lambda: nn.Softmax2d(), (2, 3, 5, 7)),
    "softmax, 0-D": function(lambda x: torch.softmax(x.sum(), 0), (3,)),
    "softmax, masked": function(lambda x: torch.softmax(masked(x), -1), (2, 3, 7)),
    "softmin": module(lambda: nn.Softmin(dim=1), (2, 5, 3)),
    "special softmax": function(lambda x: torch.special.softmax(x, 1), (2, 5, 3)),
    "_softmax": function(lambda x: torch.ops.aten._softmax(x, 1, False), (2, 5, 3)),
    "log_softmax": module(lambda: nn.LogSoftmax(dim=1), (2, 7)),
    "log_softmax, channels": after_conv(lambda y: torch.log_softmax(y, 1)),
    "log_softmax, positions": after_conv(lambda y: torch.log_softmax(y, -1)),
    "log_softmax, masked": function(lambda x: torch.log_softmax(masked(x), -1), (2, 3, 7)),
    "log_softmax, 0-D": function(lambda x: torch.log_softmax(x.sum(), 0), (3,)),
    "_log_softmax": function(lambda x: torch.ops.aten._log_softmax(x, 1, False), (2, 5, 3)),
    "safe softmax": function(
        lambda x: torch.ops.aten._safe_softmax(
            x.masked_fill(x.sum(-1, keepdim=True) > 0, -INF), -1
        ),
        (3, 5, 7),
    ),
    "logsumexp": after_conv(lambda y: torch.logsumexp(y, 1)),
    "logsumexp, two dimensions": after_conv(lambda y: torch.logsumexp(y, (1, 2), keepdim=True)),
}


@pytest.mark.parametrize("name", CASES)
def test_softmax(name: str) -> None:
    check(CASES[name])


def test_softmax_is_a_layer_with_the_name_of_the_module() -> None:
    converted = check(module(lambda: nn.Sequential(nn.Linear(3, 5), nn.Softmax(dim=1)), (2, 3)))
    assert [type(layer).__name__ for layer in converted.model.layers] == [
        "InputLayer",
        "Dense",
        "Softmax",
    ]


def test_random_softmax_is_refused() -> None:
    with pytest.raises(t2k.UnsupportedOpError):
        t2k.convert(Function(F.gumbel_softmax), (torch.randn(2, 5),))


def test_no_softmax_has_more_dimensions_than_tensorflow_takes() -> None:
    converted = check(CASES["softmax, six dimensions"])
    (layer,) = [layer for layer in converted.model.layers if type(layer).__name__ == "Softmax"]
    assert len(layer.output.shape) <= 5
