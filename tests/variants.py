"""A net and another way to compute it, which may be wrong (bugs.py) or right (equal_nets.py)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class Call(nn.Module):
    """`function(x, *parts)`, the parts being modules."""

    def __init__(self, function: Callable[..., Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.parts)


@dataclass(frozen=True)
class Variant:
    """A net and another way to compute it: wrong in the tables of bugs, right in CORRECT."""

    name: str
    right: Callable[[], nn.Module]
    other: Callable[[nn.Module], nn.Module]
    shape: tuple[int, ...] = (2, 6, 20)
    second: tuple[int, ...] | None = (3, 6, 23)
    dynamic: bool = False
    """The last dimension of the input is dynamic in the conversion."""

    def pair(self, seed: int = 0) -> tuple[nn.Module, nn.Module]:
        """The net, with weights and statistics drawn from `seed`, and its variant, in eval mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = self.right()
            for name, tensor in (*net.named_parameters(), *net.named_buffers()):
                if name.endswith("running_var"):
                    tensor.data.uniform_(0.02, 1.5)
                elif tensor.is_floating_point() and tensor.ndim == 1:
                    tensor.data.normal_(0.3, 0.5)
            return net.eval(), self.other(net).eval()


def after(function: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    """A convolution, then `function`."""
    return lambda: Call(lambda x, conv: function(conv(x)), nn.Conv1d(6, 7, 3, padding=1))


def instead(function: Callable[[Tensor], Tensor]) -> Callable[[nn.Module], nn.Module]:
    """The same convolution, then another function."""
    return lambda net: Call(lambda x, conv: function(conv(x)), *net.parts)


def alone(function: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    return lambda: Call(function)


def another(function: Callable[..., Tensor]) -> Callable[[nn.Module], nn.Module]:
    """`function(x, net)`, or `function(x, *parts)` when the net is a `Call`."""
    return lambda net: Call(function, *(net.parts if isinstance(net, Call) else (net,)))


def changed(edit: Callable[[nn.Module], None]) -> Callable[[nn.Module], nn.Module]:
    """A copy of the net, edited in place."""

    def build(net: nn.Module) -> nn.Module:
        twin = copy.deepcopy(net)
        with torch.no_grad():
            edit(twin)
        return twin

    return build


def assigned(**attributes: object) -> Callable[[nn.Module], None]:
    """Sets attributes of a module."""

    def edit(net: nn.Module) -> None:
        for name, value in attributes.items():
            setattr(net, name, value)

    return edit


def recurrent(cell: type[nn.RNNBase]) -> Callable[[], nn.Module]:
    return lambda: Call(lambda x, rnn: rnn(x.transpose(1, 2))[0], cell(6, 5, batch_first=True))
