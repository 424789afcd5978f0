"""The record of a conversion: the ports that it makes of the graph's inputs and outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import torch2keras as t2k


class Several(nn.Module):
    """Two inputs; three results, one of them complex, and two that are no tensors."""

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, None, Tensor, int, Tensor]:
        return x.sum(2), None, torch.fft.rfft(x), 7, y + 1


def test_ports_in_the_order_of_forward() -> None:
    conversion = t2k.convert(
        Several(), (torch.randn(2, 3, 11), torch.ones(2, 5, dtype=torch.int64))
    ).conversion
    assert [(p.name, p.dtype, p.torch_shape[1:]) for p in conversion.inputs] == [
        ("x", "float32", (3, 11)),
        ("y", "int64", (5,)),
    ]
    assert [(p.name, p.torch_shape[1:], p.is_complex) for p in conversion.outputs] == [
        ("output_0", (3,), False),
        ("output_1", (3, 6, 2), True),
        ("output_2", (5,), False),
    ]
    assert conversion.outputs is conversion.outputs


def test_the_parameters_of_a_copy_are_the_callers() -> None:
    tied = nn.Linear(3, 3)
    module = nn.Sequential(tied, tied)
    x = torch.randn(2, 3)
    for dtype in (None, "float64"):
        conversion = t2k.convert(module, (x,), dtype=dtype, verify=False).conversion
        named = conversion.own_parameters()
        assert list(named) == ["0.weight", "0.bias", "1.weight", "1.bias"]
        assert all(named[name] is getattr(tied, name[2:]) for name in named)
