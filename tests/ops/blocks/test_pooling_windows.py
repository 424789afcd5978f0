"""Windows of pooling: their paddings and the positions of their maxima, by PyTorch's."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from recorded import record
from torch2keras.errors import LoweringError
from torch2keras.ops.blocks.pooling_windows import (
    Windows,
    apply_pooling,
    find_max_positions,
    lowest_number,
)


def windows(
    kernel: int, stride: int, padding: int, dilation: int = 1, *, ceil: bool = False
) -> Windows:
    return Windows((kernel,), (stride,), (padding,), (dilation,), ceil)


SINGLE = [
    windows(k, s, p, d, ceil=ceil)
    for k, s, p, d, ceil in itertools.product(
        (1, 2, 3, 4), (1, 2, 3), (0, 1), (1, 2), (False, True)
    )
    if p <= k // 2
]


@pytest.mark.parametrize("w", SINGLE, ids=str)
def test_pads_give_as_many_windows_as_pytorch(w: Windows) -> None:
    (kernel,), (stride,), (padding,), (dilation,) = w.kernel, w.stride, w.padding, w.dilation
    (reach,), ((left, right),) = w.reach, w.pads
    for length in range(reach, 23):
        pooled = F.max_pool1d(torch.zeros(1, 1, length), kernel, stride, padding, dilation, w.ceil)
        assert (length + left + right - reach) // stride + 1 == pooled.shape[-1], length


@pytest.mark.parametrize("w", SINGLE, ids=str)
def test_same_is_that_of_keras_at_every_length(w: Windows) -> None:
    (kernel,), (stride,), ((left, right),) = w.kernel, w.stride, w.pads
    if w.is_same:
        for length in range(kernel, 23):
            count = -(-length // stride)
            total = max(0, (count - 1) * stride + kernel - length)
            assert total // 2 == left
            assert (length + left + right - kernel) // stride + 1 == count


def test_same_is_seen_where_it_is_usual() -> None:
    assert windows(3, 1, 1).is_same
    assert windows(2, 2, 0, ceil=True).is_same
    assert not windows(1, 1, 0).is_same
    assert not windows(3, 2, 1).is_same
    assert not windows(3, 1, 1, 2).is_same


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        ((3, 2), (2, 3), (1, 0), (1, 1)),
        ((2, 2), (1, 2), (1, 1), (2, 3)),
        ((1, 4), (3, 2), (0, 2), (1, 1)),
    ],
)
def test_positions_of_maxima_are_those_of_pytorch(kernel, stride, padding, dilation) -> None:
    x = torch.randint(-4, 4, (2, 3, 11, 13)).float()
    w = Windows(kernel, stride, padding, dilation, ceil=False)
    _, expected = F.max_pool2d(x, kernel, stride, padding, dilation, return_indices=True)
    found = record(
        lambda t: find_max_positions(t, w, expected.shape[2:]), x.permute(0, 2, 3, 1).contiguous()
    )
    assert torch.equal(found.result.permute(0, 3, 1, 2).long(), expected)


@pytest.mark.parametrize(
    ("dtype", "lowest"), [("float32", float("-inf")), ("int32", -(2**31)), ("uint8", 0)]
)
def test_the_lowest_number_of_a_dtype(dtype: str, lowest: float) -> None:
    assert lowest_number(dtype) == lowest


@pytest.mark.parametrize("shape", [(2, 11, 3), (2, 11, 7, 3), (2, 11, 7, 5, 3)])
@pytest.mark.parametrize(("kind", "name"), [("Max", "max_pool"), ("Average", "avg_pool")])
def test_pooling_layers_have_the_rank_of_their_input(
    kind: str, name: str, shape: tuple[int, ...]
) -> None:
    x, rank = torch.randn(shape), len(shape) - 2
    w = Windows((3, 2, 1)[:rank], (2, 1, 3)[:rank], (0,) * rank, (1,) * rank, ceil=False)
    found = record(lambda t: apply_pooling(kind, t, w), x)
    pool = getattr(F, f"{name}{rank}d")
    expected = pool(x.movedim(-1, 1), w.kernel, w.stride).movedim(1, -1)
    assert torch.allclose(found.result, expected, atol=1e-6)
    assert found.targets == [f"layers.{kind}Pooling{rank}D"]


def test_integers_are_refused() -> None:
    with pytest.raises(LoweringError, match="stock Keras has none of integers"):
        record(lambda t: apply_pooling("Average", t, windows(2, 2, 0)), torch.ones(2, 4, 3).long())
