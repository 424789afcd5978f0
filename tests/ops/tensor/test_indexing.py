"""Lookups: constant and computed indices, negative ones, several at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from op_case import Case, check, function
from torch2keras.errors import LoweringError, UnsupportedOpError

W = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))
INDEX = torch.tensor([2, 0, 2, 1])
BOTH = {"dynamic_shapes": (({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},),)}
AUTO = torch.export.Dim.AUTO
SHARED = {"dynamic_shapes": (({0: torch.export.Dim("batch")},) * 2,)}


def conv(x: Tensor) -> Tensor:
    return functional.conv1d(x, W)


def indices(*shape: int, below: int = 3) -> Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(1))


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
}


@pytest.mark.parametrize("name", CASES)
def test_indexing(name: str) -> None:
    check(CASES[name])


REFUSED = {
    "masked_select": (lambda x: x[x > 0], "depends on the data"),
    "a constant mask": (
        lambda x: x.expand(3, 5, 3)[torch.tensor([True, False, True])],
        "depends on the data",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """What stock Keras cannot say is refused, and the error says why."""
    call, reason = REFUSED[name]
    with pytest.raises((LoweringError, UnsupportedOpError), match=reason):
        check(function(call, lambda: torch.tensor([[1.0, -2.0, 3.0]]), dynamic_shapes=(({},),)))
