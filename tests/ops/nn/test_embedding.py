"""Embedding tables and one_hot."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

import torch2keras as t2k
from op_case import Case, Function, check, function


def indices(limit: int, *shape: int, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    return torch.randint(0, limit, shape, dtype=dtype)


OFFSETS = torch.tensor([0, 2, 2, 7])
ENDS = torch.tensor([0, 2, 2, 7, 13])


def table(
    *args: int, dtype: torch.dtype = torch.int64, shape: tuple[int, ...] = (2, 5), **kwargs: int
) -> Case:
    return Case(
        lambda: nn.Embedding(*args, **kwargs), lambda: (indices(args[0], *shape, dtype=dtype),)
    )


class Positions(nn.Module):
    """A learned vector for each position, added to the input."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(13, 3)
        self.register_buffer("positions", torch.arange(7).flip(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table(self.positions)


CASES = {
    "embedding": table(11, 3),
    "embedding, int32, 1-D": table(11, 3, dtype=torch.int32, shape=(5,)),
    "embedding, 3-D": table(11, 3, shape=(2, 5, 7)),
    "embedding, padding": table(11, 3, padding_idx=2),
    **{
        f"embedding_bag, {mode}": function(
            lambda i, w, mode=mode: F.embedding_bag(i, w, OFFSETS, mode=mode),
            lambda: indices(11, 13),
            (11, 3),
        )
        for mode in ("sum", "mean", "max")
    },
    "embedding_bag, weighted, last offset": function(
        lambda i, w, s: F.embedding_bag(
            i, w, ENDS, mode="sum", per_sample_weights=s, include_last_offset=True
        ),
        lambda: indices(11, 13),
        (11, 3),
        (13,),
    ),
    "embedding_bag, padding": function(
        lambda i, w: F.embedding_bag(i, w, OFFSETS, mode="mean", padding_idx=4),
        lambda: indices(11, 13),
        (11, 3),
    ),
    "embedding_bag that may be trained": function(
        lambda i, w: torch.ops.aten._embedding_bag(w, i, OFFSETS, mode=1)[0],
        lambda: indices(11, 13),
        (11, 3),
    ),
    "EmbeddingBag": Case(lambda: nn.EmbeddingBag(11, 3), lambda: (indices(11, 2, 7),)),
    "embedding before a convolution": Case(
        lambda: nn.Sequential(nn.Embedding(11, 3), nn.Conv1d(7, 5, 2)),
        lambda: (indices(11, 2, 7),),
        transposes=1,
    ),
    "embedding by constant positions": Case(Positions, lambda: (torch.randn(2, 7, 3),)),
    "embedding in a computed table": function(
        lambda i, w: F.embedding(i, torch.tanh(w)), lambda: indices(11, 2, 5), (11, 3)
    ),
    "one_hot": function(lambda i: F.one_hot(i, 7), lambda: indices(7, 2, 5)),
    "one_hot, channels first": function(
        lambda i: F.one_hot(i, 7).transpose(1, 2).float(), lambda: indices(7, 2, 5)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_embedding(name: str) -> None:
    check(CASES[name])


class Tied(nn.Module):
    """Rows of a table, and scores for all rows."""

    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(11, 3), nn.Linear(3, 11, bias=bias)
        self.head.weight = self.table.weight

    def forward(self, i: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.table(i)))


@pytest.mark.parametrize("bias", [False, True])
def test_a_table_that_is_also_the_weight_of_a_linear_is_one_layer(bias: bool) -> None:
    converted = check(Case(lambda: Tied(bias=bias), lambda: (indices(11, 2, 5),)))
    assert [tuple(w.shape) for w in converted.model.trainable_weights] == [(11, 3), (1, 11)][
        : 1 + bias
    ]


def test_one_hot_without_a_number_of_classes_is_refused() -> None:
    with pytest.raises(t2k.Torch2KerasError):
        t2k.convert(Function(F.one_hot), (indices(7, 2, 5),))


def test_a_frozen_table_is_frozen() -> None:
    converted = check(
        Case(lambda: nn.Embedding.from_pretrained(torch.randn(11, 3)), lambda: (indices(11, 2, 5),))
    )
    assert not converted.model.trainable_weights
    assert len(converted.model.non_trainable_weights) == 1


def test_a_table_that_renormalizes_itself_is_refused() -> None:
    with pytest.raises(t2k.Torch2KerasError):
        t2k.convert(nn.Embedding(11, 3, max_norm=1.0), (indices(11, 2, 5),))
