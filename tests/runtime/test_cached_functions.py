"""Caches are passed by and left as they are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.runtime.cached_functions import forget_results


def uncached_in_an_export(function: Callable[..., Any]) -> Callable[..., Any]:
    """Transformers' own way: the graph computes what other runs remember."""
    cached = functools.lru_cache(maxsize=32)(function)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return function(*args) if torch.compiler.is_compiling() else cached(*args)

    return call


def logits(size: int) -> torch.Tensor:
    places = (torch.arange(size).float() + 0.5) / size
    return torch.log(places / (1 - places))


plain = functools.lru_cache(logits)
unlimited = functools.cache(logits)
decorated = uncached_in_an_export(logits)


class Net(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.linear = nn.Linear(7, 7)
        self.function = function

    static = staticmethod(uncached_in_an_export(logits))

    @classmethod
    @uncached_in_an_export
    def of_class(cls, size: int) -> torch.Tensor:
        return logits(size)

    @functools.lru_cache  # noqa: B019 - as users write it
    def method(self, size: int) -> torch.Tensor:
        return logits(size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * self.function(self, x.shape[-1])


FUNCTIONS = {
    "plain": lambda _, size: plain(size),
    "unlimited": lambda _, size: unlimited(size),
    "decorated": lambda _, size: decorated(size),
    "static": lambda net, size: net.static(size),
    "of the class": lambda net, size: net.of_class(size),
    "method": lambda net, size: net.method(size),
}


@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_remembered_table_converts(name: str, *, is_warm: bool) -> None:
    torch.manual_seed(0)
    net, x = Net(FUNCTIONS[name]).eval(), torch.randn(2, 7)
    if is_warm:
        net(x)
    converted = t2k.convert(net, x)
    assert converted.verification.checks
    assert torch.equal(net(x), net.linear(x) * logits(7))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_within_nothing_is_remembered_and_afterwards_all_is(name: str) -> None:
    net = Net(FUNCTIONS[name])
    before = net.function(net, 5)
    kept = dict(Net.__dict__), dict(globals())
    with forget_results(net) as found:
        assert found == 6
        assert net.function(net, 5) is not net.function(net, 5)
    assert net.function(net, 5) is before
    assert (dict(Net.__dict__), dict(globals())) == kept


def test_a_net_of_torch_alone_has_no_caches() -> None:
    with forget_results(nn.Sequential(nn.Linear(3, 5), nn.ReLU())) as found:
        assert found == 0
