"""Writes at the positions that an index names, with each reduction, of constants and of scalars."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from op_case import Case, check, function

INDEX = torch.tensor([2, 0, 2, 1])
pytestmark = pytest.mark.filterwarnings(
    "ignore:The reduce argument of torch.scatter", "ignore:index_reduce"
)


def indices(*shape: int, below: int = 3) -> Tensor:
    return torch.randint(below, shape, generator=torch.Generator().manual_seed(1))


CASES: dict[str, Case] = {
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
    "diagonal_scatter": function(
        lambda x: torch.diagonal_scatter(x, x[:, :, 0], 1, 1, 2), (2, 3, 11)
    ),
    "diagonal_scatter below": function(
        lambda x: torch.diagonal_scatter(x, x[:, :2, 0], -1, 1, 2), (2, 3, 5)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_writes_at_an_index(name: str) -> None:
    check(CASES[name])
