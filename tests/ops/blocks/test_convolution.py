"""Convolutions of (n, *s, c) against PyTorch's, and which layers they become."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from recorded import record, weight_of
from torch2keras.ops.blocks.convolution import (
    Convolution,
    Grouping,
    convolve,
    find_grouping,
    keep_groups_together,
    split_evenly,
    unstack,
)

SIZES = (13, 11, 7)


def convolution(rank: int = 1, **changes: object) -> Convolution:
    plain = {"stride": (1,) * rank, "pads": [(0, 0)] * rank, "dilation": (1,) * rank}
    return Convolution(**{**plain, "channels": 6, "groups": 1, **changes})


def expected(x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor, how: Convolution):
    """PyTorch's result in Keras's order, of a kernel (filters, channels of a group, *k)."""
    flat = [width for pair in reversed(how.pads) for width in pair]
    first = F.pad(x.movedim(-1, 1), flat)
    conv = getattr(F, f"conv{x.ndim - 2}d")
    return conv(first, kernel, bias, how.stride, 0, how.dilation, how.groups).movedim(1, -1)


def as_keras(kernel: torch.Tensor, how: Convolution) -> torch.Tensor:
    """A depthwise kernel as (*k, channels, filters of a channel), else (*k, inputs, filters)."""
    last = kernel.movedim(0, -1).movedim(0, -2)
    return last.reshape(*last.shape[:-2], 6, -1) if how.is_depthwise else last


CASES = {
    "plain": convolution(),
    "padded on one side": convolution(pads=[(2, 0)]),
    "same": convolution(pads=[(1, 1)]),
    "stride": convolution(stride=(2,), pads=[(1, 1)]),
    "stride and dilation": convolution(stride=(2,), dilation=(3,), pads=[(3, 3)]),
    "groups": convolution(groups=3),
    "2-D, groups": convolution(2, groups=3, pads=[(1, 0), (2, 2)]),
    "3-D, groups, stride": convolution(3, groups=2, stride=(1, 2, 1)),
    "3-D, groups, same": convolution(3, groups=3, pads=[(1, 1), (0, 1), (1, 1)]),
    "depthwise": convolution(groups=6, pads=[(1, 1)]),
    "depthwise, stride and dilation": convolution(groups=6, stride=(3,), dilation=(2,)),
    "2-D": convolution(2, stride=(2, 1), pads=[(1, 0), (2, 2)]),
    "2-D, depthwise, uneven stride": convolution(2, stride=(2, 1), groups=6),
    "2-D, depthwise, uneven dilation": convolution(2, dilation=(2, 1), groups=6),
    "3-D": convolution(3, pads=[(0, 1), (1, 1), (1, 2)]),
    "3-D, depthwise": convolution(3, pads=[(1, 1)] * 3, groups=6),
    "3-D, depthwise, stride and dilation": convolution(
        3, stride=(2, 1, 3), dilation=(2, 1, 1), groups=6
    ),
}


@pytest.mark.parametrize("computed", [False, True], ids=["constant", "computed"])
@pytest.mark.parametrize("name", CASES)
def test_convolution_is_that_of_pytorch(name: str, *, computed: bool) -> None:
    how = CASES[name]
    rank = len(how.stride)
    x = torch.randn(2, *SIZES[:rank], 6)
    kernel, bias = torch.randn(12, 6 // how.groups, *(3, 2, 3)[:rank]), torch.randn(12)
    weight = as_keras(kernel, how).contiguous()
    if computed:
        found = record(lambda x, w, b: convolve(x, w, b, how), x, weight, bias)
        assert "layers.Conv" not in " ".join(found.targets)
    else:
        found = record(lambda x: convolve(x, weight_of(weight), weight_of(bias), how), x)
        assert "ops.add" not in found.targets[:1]
    assert torch.allclose(found.result, expected(x, kernel, bias, how), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("same", ["layers.Conv1D"]),
        ("stride", ["layers.ZeroPadding1D", "layers.Conv1D"]),
        ("stride and dilation", ["layers.ZeroPadding1D", "layers.Conv1D", "getitem"]),
        ("groups", ["layers.Conv1D"]),
        ("3-D, groups, stride", ["ops.split", *["layers.Conv3D"] * 2, "ops.concatenate"]),
        ("depthwise", ["layers.DepthwiseConv1D"]),
        ("2-D, depthwise, uneven stride", ["layers.DepthwiseConv2D", "getitem"]),
        ("3-D", ["layers.ZeroPadding3D", "layers.Conv3D"]),
    ],
)
def test_layers_are_as_few_as_possible(name: str, targets: list[str]) -> None:
    how = CASES[name]
    x = torch.randn(2, *SIZES[: len(how.stride)], 6)
    kernel = torch.randn(12, 6 // how.groups, *(3, 3, 3)[: len(how.stride)])
    weight = weight_of(as_keras(kernel, how).contiguous())
    assert record(lambda x: convolve(x, weight, None, how), x).targets == targets


def test_a_bias_that_is_computed_is_added_behind_the_layer() -> None:
    x, kernel, bias = torch.randn(2, 13, 6), torch.randn(12, 6, 3), torch.randn(12)
    how = convolution()
    weight = weight_of(as_keras(kernel, how).contiguous())
    found = record(lambda x, b: convolve(x, weight, b, how), x, bias)
    assert found.targets == ["layers.Conv1D", "ops.add"]
    assert torch.allclose(found.result, expected(x, kernel, bias, how), atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "groups", "grouping"),
    [
        (6, 1, Grouping.DENSE),
        (1, 1, Grouping.DENSE),
        (6, 6, Grouping.DEPTHWISE),
        (6, 2, Grouping.GROUPED),
    ],
)
def test_groupings(channels: int, groups: int, grouping: Grouping) -> None:
    assert find_grouping(channels, groups) is grouping
    assert convolution(channels=channels, groups=groups).is_depthwise == (
        grouping is Grouping.DEPTHWISE
    )


@pytest.mark.parametrize(
    ("how", "shape", "taps", "layers_of_groups"),
    [
        (convolution(groups=3), (2, 334, 6), 3, True),
        (convolution(groups=3), (2, 333, 6), 3, False),
        (convolution(groups=3), (2, None, 6), 3, True),
        (convolution(groups=3, stride=(2,)), (2, 667, 6), 3, False),
        (convolution(2, groups=3), (2, 11, 11, 6), 9, True),
        (convolution(2, groups=3), (2, 7, 7, 6), 9, False),
        (convolution(groups=6), (2, 2000, 6), 3, False),
        (convolution(groups=1), (2, 2000, 6), 3, False),
        (convolution(groups=8, channels=16), (2, 2000, 16), 3, True),
        (convolution(groups=9, channels=18), (2, 2000, 18), 3, False),
    ],
    ids=str,
)
def test_a_large_group_is_a_layer_of_its_own(how, shape, taps, layers_of_groups: bool) -> None:
    assert how.has_layer_of_each_group(shape, taps) is layers_of_groups
    with keep_groups_together():
        assert not how.has_layer_of_each_group(shape, taps)
    assert how.has_layer_of_each_group(shape, taps) is layers_of_groups


@pytest.mark.parametrize(
    ("how", "kernel", "same"),
    [
        (convolution(pads=[(2, 2)]), (5,), True),
        (convolution(pads=[(1, 2)]), (4,), True),
        (convolution(pads=[(2, 1)]), (4,), False),
        (convolution(pads=[(2, 2)], dilation=(2,)), (3,), True),
        (convolution(pads=[(2, 2)], stride=(2,)), (5,), False),
        (convolution(), (1,), False),
        (convolution(2, pads=[(1, 1), (0, 0)]), (3, 1), True),
        (convolution(2, pads=[(1, 1), (0, 0)]), (3, 3), False),
    ],
    ids=str,
)
def test_same_is_said_where_it_holds_at_every_length(how, kernel, same: bool) -> None:
    assert how.is_same(kernel) == same


def test_an_odd_total_has_its_last_element_on_the_right() -> None:
    assert split_evenly([0, 1, 4, 5]) == [(0, 0), (0, 1), (2, 2), (2, 3)]


def test_unstack_is_that_of_pytorch() -> None:
    data = torch.randn(3, 5, 2)
    entries = [entry.values() for entry in unstack(weight_of(data))]
    assert all(torch.equal(a, b) for a, b in zip(entries, data.unbind(), strict=True))
