"""Padding: each mode against torch.nn.functional.pad, in any dimensions, and cropping beside it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from recorded import record
from torch2keras.ops.blocks.padding import (
    as_tuple,
    crop,
    keep_positive,
    pad_constant,
    pad_spatial,
    reflect,
    replicate,
    wrap,
)

X = torch.randn(2, 11, 7, 3)
LAST_BUT_ONE = {1: (2, 3), 2: (1, 0)}


def padded(x: torch.Tensor, widths: dict[int, tuple[int, int]], mode: str) -> torch.Tensor:
    """What PyTorch gives, whose widths are those of the last dimensions, of channels first."""
    flat = [width for axis in (2, 1) for width in widths.get(axis, (0, 0))]
    return F.pad(x.movedim(-1, 1), flat, mode=mode).movedim(1, -1)


@pytest.mark.parametrize(
    ("value", "rank", "expected"),
    [(5, 3, (5, 5, 5)), ([5], 2, (5, 5)), ((1, 2), 2, (1, 2)), ((), 1, ()), ([3], 1, (3,))],
)
def test_one_number_stands_for_all_dimensions(
    value: object, rank: int, expected: tuple[int, ...]
) -> None:
    assert as_tuple(value, rank) == expected


@pytest.mark.parametrize("dynamic", [(), (0, 1)], ids=["static", "dynamic"])
@pytest.mark.parametrize(
    "widths", [LAST_BUT_ONE, {1: (2, -3)}, {1: (-1, -2), 2: (-2, 4)}, {2: (0, 0)}, {}], ids=str
)
@pytest.mark.parametrize(
    ("pad", "mode"),
    [
        (pad_constant, "constant"),
        (wrap, "circular"),
        (reflect, "reflect"),
        (replicate, "replicate"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_padding_is_that_of_pytorch(pad, mode: str, widths, dynamic: tuple[int, ...]) -> None:
    found = record(lambda x: pad(x, widths), X, dynamic=dynamic).result
    assert torch.equal(found, padded(X, widths, mode))


def test_reflection_of_many_dimensions_is_made_of_slices() -> None:
    x = torch.randn(2, 5, 7, 3, 4)
    found = record(lambda t: reflect(t, {1: (2, 1), 3: (1, 2)}), x)
    expected = F.pad(x.movedim(-1, 1), (1, 2, 0, 0, 2, 1), mode="reflect").movedim(1, -1)
    assert torch.equal(found.result, expected)
    assert "ops.pad" not in found.targets


@pytest.mark.parametrize(
    ("x", "widths", "value", "targets"),
    [
        (X, {1: (1, 2)}, 0, ["layers.ZeroPadding2D"]),
        (X, {1: (-1, 2)}, 0, ["layers.Cropping2D", "layers.ZeroPadding2D"]),
        (X, {1: (1, 2)}, -1.5, ["ops.pad"]),
        (X, {3: (1, 2)}, 0, ["ops.pad"]),
        (X, {0: (-1, 0)}, 0, ["getitem"]),
        (X.long(), {1: (1, 2)}, 3, ["ops.pad"]),
        (X > 0, {1: (1, 2)}, 1, ["ops.pad"]),
        (X[0, 0], {0: (1, 0)}, 0, ["ops.pad"]),
    ],
    ids=str,
)
def test_layers_pad_where_they_can(x: torch.Tensor, widths, value: float, targets) -> None:
    found = record(lambda t: pad_constant(t, widths, value), x)
    flat = [width for axis in reversed(range(x.ndim)) for width in widths.get(axis, (0, 0))]
    assert torch.equal(found.result, F.pad(x, flat, value=value))
    assert found.targets == targets


def test_spatial_dimensions_are_padded_in_their_order() -> None:
    found = record(lambda x: pad_spatial(x, [(1, 2), (-1, 0)], 0.5), X).result
    assert torch.equal(found, F.pad(X, (0, 0, -1, 0, 1, 2), value=0.5))


def test_cropping_leaves_out_what_is_added() -> None:
    assert torch.equal(record(lambda x: crop(x, {1: (-2, 5), 2: (1, -3)}), X).result, X[:, 2:, :-3])
    assert keep_positive({1: (-2, 5), 2: (1, -3), 3: (0, 0), 4: (-1, -1)}) == {1: (0, 5), 2: (1, 0)}
