"""Transposed convolutions of (n, *s, c) against PyTorch's, by the layer and between zeros."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from recorded import record, weight_of
from torch2keras.ops.blocks.convolution import Grouping, find_grouping
from torch2keras.ops.blocks.transposed_convolution import (
    TransposedConvolution,
    convolve_transposed,
    has_transposed_layer,
    insert_zeros,
)


def transposed(stride=1, padding=0, output_padding=0, dilation=1, groups=1, rank=1):
    sizes = (stride, padding, output_padding, dilation)
    return TransposedConvolution(*[(size,) * rank for size in sizes], channels=6, groups=groups)


def as_keras(kernel: torch.Tensor, how: TransposedConvolution, *, by_layer: bool) -> torch.Tensor:
    """A kernel (channels, filters of a group, *k) as it is declared in Keras's order."""
    if not by_layer:
        last = kernel.movedim((0, 1), (-2, -1))
        if find_grouping(6, how.groups) is not Grouping.GROUPED:
            return last
        parts = last.unflatten(-2, (how.groups, -1)).movedim(-3, -2)
        return parts.flatten(-2)
    if how.groups == 1:
        return kernel.movedim((0, 1), (-1, -2))
    return kernel.unflatten(0, (how.groups, -1)).movedim((1, 2), (-1, -2))


CASES = {
    "plain": transposed(),
    "stride": transposed(stride=2),
    "stride beyond the kernel": transposed(stride=5, output_padding=1),
    "cropped": transposed(stride=2, padding=1),
    "longer on the right": transposed(stride=3, padding=1, output_padding=2),
    "dilation": transposed(stride=2, padding=1, dilation=3),
    "groups": transposed(stride=2, groups=2),
    "groups, dilation": transposed(dilation=2, groups=3),
    "depthwise": transposed(stride=2, padding=1, output_padding=1, groups=6),
    "2-D": transposed(stride=2, padding=1, rank=2),
    "3-D, groups": transposed(stride=2, groups=3, rank=3),
}


@pytest.mark.parametrize("bias", ["no bias", "constant bias", "computed bias"])
@pytest.mark.parametrize("computed", [False, True], ids=["constant", "computed"])
@pytest.mark.parametrize("name", CASES)
def test_transposed_convolution_is_that_of_pytorch(name: str, bias: str, *, computed: bool) -> None:
    how = CASES[name]
    rank = len(how.stride)
    x, kernel = torch.randn(2, *(7, 5, 3)[:rank], 6), torch.randn(6, 4, *(3, 4, 2)[:rank])
    numbers = torch.randn(4 * how.groups)
    grouping = find_grouping(6, how.groups)
    by_layer = has_transposed_layer(grouping, how.dilation, constant_kernel=not computed)
    weight = as_keras(kernel, how, by_layer=by_layer).contiguous()

    def convolve(x, w, b):
        own_bias = {"no bias": None, "constant bias": weight_of(numbers), "computed bias": b}[bias]
        return convolve_transposed(x, w if computed else weight_of(weight), own_bias, how)

    found = record(convolve, x, weight, numbers)
    call = getattr(F, f"conv_transpose{rank}d")
    expected = call(
        x.movedim(-1, 1), kernel, None if bias == "no bias" else numbers,
        how.stride, how.padding, how.output_padding, how.groups, how.dilation,
    )  # fmt: skip
    assert torch.allclose(found.result, expected.movedim(1, -1), atol=1e-5)
    assert (f"layers.Conv{rank}DTranspose" in found.targets) == by_layer


@pytest.mark.parametrize(
    ("grouping", "dilation", "constant", "expected"),
    [
        (Grouping.DENSE, 1, True, True),
        (Grouping.GROUPED, [1, 1], True, True),
        (Grouping.DEPTHWISE, 1, True, False),
        (Grouping.DENSE, [1, 2], True, False),
        (Grouping.DENSE, 1, False, False),
    ],
)
def test_where_there_is_a_layer(grouping, dilation, constant: bool, expected: bool) -> None:
    assert has_transposed_layer(grouping, dilation, constant_kernel=constant) == expected


@pytest.mark.parametrize("dynamic", [(), (1,), (1, 2)], ids=str)
@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_zeros_stand_behind_each_element(axis: int, count: int, dynamic: tuple[int, ...]) -> None:
    x = torch.randn(2, 5, 7, 3)
    shape = list(x.shape)
    shape[axis] *= count + 1
    expected = torch.zeros(shape)
    expected.movedim(axis, 0)[:: count + 1] = x.movedim(axis, 0)
    found = record(lambda t: insert_zeros(t, axis, count), x, dynamic=dynamic)
    assert torch.equal(found.result, expected)
