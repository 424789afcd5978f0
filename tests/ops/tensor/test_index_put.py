"""Writes at positions that several tensors name, and where a mask is true."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor

from op_case import Case, check, function
from torch2keras.errors import LoweringError

INDEX = torch.tensor([2, 0, 2, 1])


def written(x: Tensor, mask: Tensor, values: Tensor) -> Tensor:
    """Values in the second dimension where a mask is true."""
    x = x.clone()
    x[:, mask] = values
    return x


def write_masked(x: Tensor) -> Tensor:
    x = x.clone()
    x[x > 0] = -1.0
    x[:, x[0, :, 0] < 0] = 2.0
    return x


def write_channels(x: Tensor) -> Tensor:
    x = x.clone()
    x[:, [0, -1]] = 1.0
    x[:, 1] += 3
    return x


CASES: dict[str, Case] = {
    "index_put": function(
        lambda x: x.index_put((INDEX[:2], INDEX[1:3]), torch.ones(11)),
        (5, 3, 11),
        dynamic_shapes=None,
    ),
    "index_put of a dynamic batch": function(
        lambda x: F.fold(x, (1, 19), (1, 7), stride=(1, 3)), (2, 7, 5), transposes=4
    ),
    "index_put accumulates": function(
        lambda x: x.index_put((INDEX, INDEX), x[0, 0, :4], accumulate=True),
        (5, 3, 4),
        dynamic_shapes=None,
    ),
    "index_put computed": function(
        lambda x, i: x.index_put((i, i - 3), torch.ones(7)),
        (5, 3, 7),
        lambda: torch.tensor([[0, 2], [1, 0]]),
        dynamic_shapes=None,
    ),
    "write to channels": function(write_channels, (2, 3, 11), transposes=2),
    "write where masked": function(write_masked, (2, 3, 11)),
    "values by a mask": function(
        lambda x, y: x.index_put((x.argsort(1) > 2,), y.flatten()), (3, 7), (3, 4), transposes=1
    ),
    "values by a mask of the first dimensions": function(
        lambda x, y: x.index_put((x[..., 0].argsort(1) > 0,), y.flatten(0, 1), accumulate=True),
        (2, 3, 5),
        (2, 2, 5),
    ),
    "values by a mask of the second dimension": function(
        lambda x, y: written(x, x[0, :, 0].argsort() > 0, y), (2, 3, 5), (2, 2, 5), transposes=3
    ),
    "values by a mask of channels": function(
        lambda x, w: F.relu(written(F.conv1d(x, w), w[:, 0, 0].argsort() > 1, x[:, :, 2:])),
        (2, 3, 13),
        (5, 3, 3),
        transposes=5,
    ),
    "the same row wherever a mask is": function(
        lambda x, y: x.index_put((x[:, :, 0] > 0,), y), (2, 3, 5), (5,)
    ),
    "the same column wherever a mask is": function(
        lambda x, y: written(x, x[0, :, 0] > 0, y), (2, 3, 5), (2, 1, 5), transposes=3
    ),
    "index_add": function(
        lambda x: x.index_add(2, torch.tensor([0, 4, 4]), x[:, :, :3]), (2, 3, 11), transposes=3
    ),
    "index_fill": function(
        lambda x: x.index_fill(2, torch.tensor([0, 4]), 3.0), (2, 3, 11), transposes=2
    ),
    "index_copy": function(
        lambda x: x.index_copy(1, torch.tensor([2, 0]), x[:, 1:]), (2, 3, 11), transposes=3
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_writes_at_common_positions(name: str) -> None:
    check(CASES[name])


def test_several_masks_are_refused() -> None:
    def write(x: Tensor) -> Tensor:
        return x.index_put((x[:, 0] > 0, x[0] > 0), x[0, 0])

    with pytest.raises(LoweringError, match="several masks"):
        check(function(write, (1, 3), dynamic_shapes=(({},),)))
