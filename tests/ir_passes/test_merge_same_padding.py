"""Zeros whose number depends on the length are Keras's "same" where they are so at every length."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import sympy
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from op_case import check, module
from torch2keras.ir_passes.merge_same_padding import is_same_padding


def count_by_floor(n: int, k: int, s: int, d: int) -> int:
    return max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)


def count_by_ceil(n: int, k: int, s: int, d: int) -> int:
    return max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0)


def count_by_sum(n: int, k: int, s: int, d: int) -> int:
    return max(((n + s - 1) // s - 1) * s + d * (k - 1) + 1 - n, 0)


COUNTS = {"floor": count_by_floor, "ceil": count_by_ceil, "sum": count_by_sum}


class Same(nn.Module):
    """A convolution that pads as TensorFlow does, with `shift` zeros too many on the left."""

    def __init__(self, conv: nn.Module, count: Callable[..., int], shift: int = 0) -> None:
        super().__init__()
        self.conv, self.count, self.shift = conv, count, shift

    def forward(self, x):
        conv, widths = self.conv, []
        for dim in reversed(range(x.ndim - 2)):
            sizes = conv.kernel_size[dim], conv.stride[dim], conv.dilation[dim]
            total = self.count(x.shape[2 + dim], *sizes)
            widths += [total // 2 + self.shift, total - total // 2]
        return conv(F.pad(x, widths))


def free(rank: int) -> dict[str, object]:
    return {"dynamic_shapes": (dict.fromkeys((0, *range(2, 2 + rank)), Dim.AUTO),)}


NETS = {
    "1-D": (lambda c: Same(nn.Conv1d(3, 6, 7, stride=2), c), (2, 3, 20)),
    "two in a row": (
        lambda c: nn.Sequential(
            Same(nn.Conv1d(3, 6, 7, stride=2), c), nn.ReLU(), Same(nn.Conv1d(6, 4, 4, stride=3), c)
        ),
        (2, 3, 20),
    ),
    "images": (lambda c: Same(nn.Conv2d(3, 6, (3, 5), stride=2), c), (2, 3, 17, 20)),
    "depthwise": (lambda c: Same(nn.Conv2d(4, 4, 3, stride=2, groups=4), c), (2, 4, 17, 20)),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("count", COUNTS)
def test_same_padding_of_a_dynamic_length_is_kerass(name: str, count: str) -> None:
    make, shape = NETS[name]
    case = module(lambda: make(COUNTS[count]), shape, **free(len(shape) - 2))
    converted = check(case)
    kinds = [type(layer).__name__ for layer in converted.model.layers]
    assert not any("Padding" in kind for kind in kinds)
    assert any("another size" in each.probe for each in converted.verification.checks)


def test_zeros_that_are_not_those_of_same_are_refused_with_a_step_that_converts() -> None:
    def make() -> nn.Module:
        return Same(nn.Conv1d(3, 6, 7, stride=2), count_by_floor, shift=1)

    with pytest.raises(t2k.LoweringError, match="depends on a dynamic size") as raised:
        check(module(make, (2, 3, 20), **free(1)))
    assert "make the dimension static" in str(raised.value)
    check(module(make, (2, 3, 20)))


n = sympy.Symbol("n", integer=True, positive=True)


@pytest.mark.parametrize(
    ("widths", "same"),
    [
        ((n % 2, 1), True),
        ((1 - (n + 1) % 2, (n + 2) - n - 1), True),
        ((1, n % 2), False),
        ((0, 1), False),
        ((n % 2, sympy.Min(1, 1000 - n)), False),
    ],
)
def test_widths_are_same_only_where_they_are_so_at_every_length(widths: tuple, same: bool) -> None:
    """A kernel of 3 and a stride of 2 need (0, 1) zeros for even lengths, else (1, 1)."""
    assert is_same_padding(widths, n, 3, 2, 1) == same


def test_widths_of_two_sizes_are_not_same() -> None:
    other = sympy.Symbol("m", integer=True, positive=True)
    assert not is_same_padding((n % 2, other % 2), n, 3, 2, 1)


def test_static_widths_are_compared_too() -> None:
    assert is_same_padding((1, 1), 8, 3, 1, 1)
    assert is_same_padding((0, 1), 8, 3, 2, 1)
    assert not is_same_padding((1, 0), 8, 3, 2, 1)
