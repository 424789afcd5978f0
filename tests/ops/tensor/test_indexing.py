"""Lookups and scattered writes: constant and computed indices, negative ones, several at once."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor
from torch.nn import functional

from op_case import Case, check, function
from torch2keras.errors import LoweringError, UnsupportedOpError

W = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))
INDEX = torch.tensor([2, 0, 2, 1])
BOTH = {"dynamic_shapes": (({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},),)}
AUTO = torch.export.Dim.AUTO
SHARED = {"dynamic_shapes": (({0: torch.export.Dim("batch")},) * 2,)}
pytestmark = pytest.mark.filterwarnings(
    "ignore:The reduce argument of torch.scatter", "ignore:index_reduce"
)


def conv(x: Tensor) -> Tensor:
    return functional.conv1d(x, W)


def indices(*shape: int, below: int = 3) -> Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(1))


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
    "index_select": function(lambda x: conv(x).index_select(1, INDEX), (2, 3, 11)),
    "index_select, dynamic": function(lambda x: x.index_select(2, INDEX), (2, 3, 11), **BOTH),
    "index a list": function(lambda x: conv(x)[:, [0, 3, -1]], (2, 3, 11)),
    "index the batch": function(lambda x: x[[1, 0, 1]], (2, 3, 11), dynamic_shapes=None),
    "index with a matrix": function(
        lambda x: conv(x)[:, INDEX.reshape(2, 2)], (2, 3, 11), transposes=1
    ),
    "index a table": function(lambda i: W[i], lambda: indices(2, 5)),
    "index computed": function(
        lambda x, i: x[:, :, i], (2, 3, 11), lambda: indices(7), dynamic_shapes=(({0: AUTO}, None),)
    ),
    "index two": function(
        lambda x: x[torch.arange(x.shape[0]), torch.zeros(x.shape[0], dtype=torch.long)], (2, 3, 11)
    ),
    "index adjacent": function(lambda x: x[:, [0, 1, -1], [3, 4, 5]], (2, 3, 11), transposes=1),
    "index apart": function(lambda x: x[:, [0, 1], :, [3, -1]], (2, 3, 11, 5), transposes=1),
    "index broadcast": function(
        lambda x: x[:, INDEX[:, None], INDEX[:3]], (2, 3, 11), transposes=1
    ),
    "index computed, negative": function(
        lambda x, i: x[:, i, i - 2],
        (2, 3, 11),
        lambda: indices(5),
        dynamic_shapes=(({0: AUTO}, None),),
        transposes=1,
    ),
    "gather": function(
        lambda x, i: conv(x).gather(2, i), (2, 3, 11), lambda: indices(2, 6, 4), **SHARED
    ),
    "gather channels": function(
        lambda x, i: conv(x).gather(1, i), (2, 3, 11), lambda: indices(2, 4, 9), **SHARED
    ),
    "gather from fewer": function(
        lambda x, i: x.gather(2, i), (2, 3, 11), lambda: indices(1, 2, 5), dynamic_shapes=None
    ),
    "gather one": function(lambda x: x.gather(0, torch.tensor(2)), (5,), dynamic_shapes=(({},),)),
    "gather scalars": function(lambda x: x.sum().gather(0, torch.tensor(0)), (2, 3)),
    "take_along_dim": function(
        lambda x: torch.take_along_dim(x, INDEX.reshape(1, 1, 4), 2), (2, 3, 11)
    ),
    "take": function(lambda x: torch.take(x, INDEX), (2, 3, 11)),
    "one_hot": function(lambda i: functional.one_hot(i, 3), lambda: indices(2, 5)),
    "scatter": function(
        lambda x, i: x.scatter(2, i, -x),
        (2, 3, 5),
        lambda: torch.argsort(torch.randn(2, 3, 5))[:, :2],
    ),
    "scatter constants": function(
        lambda x: torch.zeros(2, 3, 5).scatter(
            2, INDEX[:3].reshape(1, 1, 3).expand(2, 3, 3) % 2 + torch.arange(3), x[..., :3]
        ),
        (2, 3, 11),
        dynamic_shapes=None,
    ),
    "scatter a number": function(
        lambda x, i: x.scatter(1, i, 7.0), (2, 3, 11), lambda: indices(2, 2, 5)
    ),
    "scatter_add": function(
        lambda x, i: x.scatter_add(1, i, x[:, 1:] * 2), (2, 3, 11), lambda: indices(2, 2, 5)
    ),
    "scatter_add of scalars": function(
        lambda x: x.sum().scatter_add(0, torch.tensor(0), x.amax()), (2, 3)
    ),
    **{
        f"index_reduce, {how}, {own}": function(
            lambda x, y, i, how=how, own=own: (
                x.index_reduce(1, i, y, how, include_self=own),
                x[..., 0].mT.index_reduce(0, i, y[..., 0].mT, how, include_self=own),
            ),
            (2, 5, 3),
            (2, 7, 3),
            lambda: torch.tensor([0, 4, 1, 1, 0, 3, 0]),
            transposes=2,
        )
        for how in ("prod", "mean", "amax", "amin")
        for own in (True, False)
    },
    "put": function(
        lambda x, y, i: (x.put(i, y), x.put(i, y, accumulate=True)),
        (2, 5, 3),
        (2, 3),
        lambda: torch.tensor([[0, 7, -1], [4, 13, 3]]),
        transposes=1,
    ),
    "put twice at a place": function(
        lambda x, y, i: x.put(i, y, accumulate=True),
        (2, 5, 3),
        (7,),
        lambda: torch.tensor([0, 4, 1, 1, 0, 3, 0]),
    ),
    "scatter_reduce": function(
        lambda x, i: x.scatter_reduce(1, i, x * 2, "amax"), (2, 3, 11), lambda: indices(2, 3, 11)
    ),
    "scatter_reduce, mean": function(
        lambda x, i: x.scatter_reduce(1, i, x * 2, "mean"), (2, 3, 11), lambda: indices(2, 3, 11)
    ),
    "scatter_reduce, mean without self": function(
        lambda x, i: x.scatter_reduce(1, i, x * 2, "mean", include_self=False),
        (2, 3, 11),
        lambda: indices(2, 3, 11),
    ),
    "scatter_reduce, product without self": function(
        lambda x, i: x.scatter_reduce(2, i, x * 2, "prod", include_self=False),
        (2, 3, 11),
        lambda: indices(2, 3, 7),
    ),
    "scatter_reduce, minimum without self": function(
        lambda x, i: x.scatter_reduce(1, i, x * 2, "amin", include_self=False),
        (2, 3, 11),
        lambda: indices(2, 3, 11),
    ),
    "scatter_reduce of ints": function(
        lambda x, i: x.scatter_reduce(1, i, -x, "amax", include_self=False),
        lambda: indices(3, 5),
        lambda: indices(3, 5),
    ),
    "scatter multiply": function(
        lambda x, i: x.scatter(1, i, x, reduce="multiply"), (2, 3, 5), lambda: indices(2, 1, 5)
    ),
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
    "diagonal_scatter": function(
        lambda x: torch.diagonal_scatter(x, x[:, :, 0], 1, 1, 2), (2, 3, 11)
    ),
    "diagonal_scatter below": function(
        lambda x: torch.diagonal_scatter(x, x[:, :2, 0], -1, 1, 2), (2, 3, 5)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_indexing(name: str) -> None:
    check(CASES[name])


REFUSED = {
    "nonzero": (torch.nonzero, "depends on the data"),
    "masked_select": (lambda x: x[x > 0], "depends on the data"),
    "a constant mask": (
        lambda x: x.expand(3, 5, 3)[torch.tensor([True, False, True])],
        "depends on the data",
    ),
    "two masks": (lambda x: x.index_put((x[:, 0] > 0, x[0] > 0), x[0, 0]), "several masks"),
    "random": (lambda x: x + torch.rand(3), "random numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """What stock Keras cannot say is refused, and the error says why."""
    call, reason = REFUSED[name]
    with pytest.raises((LoweringError, UnsupportedOpError), match=reason):
        check(function(call, lambda: torch.tensor([[1.0, -2.0, 3.0]]), dynamic_shapes=(({},),)))
