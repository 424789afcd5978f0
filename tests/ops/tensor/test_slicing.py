"""Parts of tensors: bounds from both ends, steps, symbolic bounds; and writes to parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from op_case import Case, check, function, module
from torch2keras.errors import LoweringError

W = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))
BOTH = {"dynamic_shapes": (({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},),)}


def conv(x: Tensor) -> Tensor:
    return functional.conv1d(x, W)


class Positions(nn.Module):
    """Learnt and fixed tables, of which the first entries are used."""

    def __init__(self) -> None:
        super().__init__()
        self.learnt = nn.Parameter(torch.randn(1, 53, 7))
        self.register_buffer("fixed", torch.randn(53, 7))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.learnt[:, : x.shape[1]] + self.fixed[: x.shape[1]]


def write_parts(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, 1:] = 0
    x[:, :, 3:-2] = x[:, :, :6].clone()
    x[:, -1] = 5.0
    x[:, 0, 2] += 1
    return x


def write_steps(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, :, 1::2] = x[:, :, ::2][:, :, :5]
    return x


def write_dynamic(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, :, 1:-1] *= 2
    x[:, :, 0] = -1
    x[:, :, -1] = 1
    return x


CASES: dict[str, Case] = {
    "steps": function(lambda x: x[:, 1:, ::2], (2, 3, 11)),
    "from the end": function(lambda x: x[:, :, -5:-2], (2, 3, 11)),
    "beyond the end": function(lambda x: x[:, :, 3:97], (2, 3, 11)),
    "beyond the start": function(lambda x: x[:, :, -97:4], (2, 3, 11)),
    "after a convolution": function(lambda x: conv(x)[:, 1:5, 2:], (2, 3, 11)),
    "chomp": function(lambda x: conv(x)[:, :, :-3], (2, 3, 11), **BOTH),
    "symbolic end": function(lambda x: x[:, :, : x.shape[2] - 2], (2, 3, 11), **BOTH),
    "symbolic start": function(lambda x: x[:, :, x.shape[2] - 4 : -1], (2, 3, 11), **BOTH),
    "first half": function(lambda x: x[:, :, : x.shape[2] // 2], (2, 3, 11), **BOTH),
    "second half": function(lambda x: x[:, :, x.shape[2] // 2 :], (2, 3, 11), **BOTH),
    "dynamic step": function(lambda x: x[:, :, 1::3], (2, 3, 11), **BOTH),
    "length of another": function(
        lambda x, y: x[:, :, : y.shape[2]] + y,
        (2, 3, 13),
        (2, 3, 7),
        dynamic_shapes=((BOTH["dynamic_shapes"][0][0],) * 2,),
    ),
    "positions": module(
        Positions,
        (2, 11, 7),
        dynamic_shapes=({0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO},),
    ),
    "narrow": function(lambda x: x.narrow(1, 1, 2).narrow(-1, -7, 3), (2, 3, 11)),
    "ints": function(lambda x: x[:, 1:3], lambda: torch.arange(10).reshape(2, 5)),
    "bools": function(lambda x: (x > 0)[:, 1:3], (2, 5)),
    "select": function(lambda x: conv(x)[:, 1].relu() + conv(x)[:, -1], (2, 3, 11)),
    "select along the length": function(lambda x: conv(x)[..., 4], (2, 3, 11)),
    "select the last": function(
        lambda x: x[:, :, x.shape[2] - 1] + x[:, :, -2], (2, 3, 11), **BOTH
    ),
    "select the middle": function(lambda x: x[:, :, x.shape[2] // 2], (2, 3, 11), **BOTH),
    "split channels": function(lambda x: torch.split(conv(x), 2, 1), (2, 3, 11)),
    "split unevenly": function(lambda x: torch.split(conv(x), 4, 1), (2, 3, 11)),
    "split by sizes": function(lambda x: torch.split(conv(x), [1, 2, 3], 1), (2, 3, 11)),
    "split dynamic": function(lambda x: torch.split(x, [3, x.shape[2] - 3], 2), (2, 3, 11), **BOTH),
    "chunk": function(lambda x: torch.mul(*conv(x).chunk(2, 1)), (2, 3, 11)),
    "chunk unevenly": function(lambda x: x.chunk(3, 2), (2, 3, 11)),
    "chunk dynamic": function(lambda x: x.chunk(2, 2), (2, 3, 11), **BOTH),
    "tensor_split": function(lambda x: torch.tensor_split(x, 3, 2), (2, 3, 11)),
    "tensor_split at": function(lambda x: torch.tensor_split(x, (2, 7), 2), (2, 3, 11)),
    "unbind": function(lambda x: torch.unbind(conv(x), 1), (2, 3, 11)),
    "unbind after a view": function(
        lambda x: torch.unbind(conv(x).unflatten(1, (3, 2)), 1), (2, 3, 11)
    ),
    "write to parts": function(write_parts, (2, 3, 11)),
    "write with a step": function(write_steps, (2, 3, 11)),
    "write, dynamic length": function(write_dynamic, (2, 3, 11), **BOTH),
    "slice_scatter": function(
        lambda x, y: torch.slice_scatter(x, y, 1, 2, 5), (2, 7, 5), (2, 3, 5)
    ),
    "select_scatter": function(lambda x, y: torch.select_scatter(x, y, 2, 0), (2, 3, 7), (2, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_slicing(name: str) -> None:
    check(CASES[name])


def test_step_on_dynamic_length_is_refused() -> None:
    """Which entries are written depends on the length: no stock op says it."""
    case = function(write_steps_everywhere, (2, 3, 11), **BOTH)
    with pytest.raises(LoweringError, match="every so many entries"):
        check(case)


def write_steps_everywhere(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, :, ::2] = 0
    return x
