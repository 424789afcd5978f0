"""Products by the table of an embedding, as calls of the layer that holds the table."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.graph import Call, Ref
from torch2keras.keras_graph.share_embeddings import is_transposed, share_embeddings
from torch2keras.keras_graph.weight import Weight

ROWS, WIDTH = 7, 3


def constant_of(*shape: int) -> Constant:
    data = torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)
    return Constant("table", TensorType(shape, data.dtype), data, ("table",), trainable=True)


TABLE = Weight.of(constant_of(ROWS, WIDTH))


def embedding(number: int, table: Weight = TABLE) -> Call:
    config = {"input_dim": ROWS, "output_dim": WIDTH}
    return Call(
        "layers.Embedding", (Ref(0),), {}, (number,), config, {"embeddings": table}, "float32"
    )


def product(number: int, kernel: Weight, **more: Weight) -> Call:
    weights = {"kernel": kernel, **more}
    config = {"units": kernel.shape[1], "use_bias": "bias" in more}
    return Call("layers.Dense", (Ref(number - 1),), {}, (number,), config, weights, "float32")


def test_both_calls_become_calls_of_one_layer() -> None:
    calls = share_embeddings([embedding(1), product(2, TABLE.transpose(1, 0)), embedding(3)])
    assert [c.target for c in calls] == ["layers.ReversibleEmbedding"] * 3
    assert [dict(c.kwargs) for c in calls] == [{}, {"reverse": True}, {}]
    assert all(c.config == {"input_dim": ROWS, "output_dim": WIDTH} for c in calls)
    assert all(c.weights == {"embeddings": TABLE} for c in calls)
    assert [(c.args, c.outputs) for c in calls] == [
        ((Ref(0),), (1,)),
        ((Ref(1),), (2,)),
        ((Ref(0),), (3,)),
    ]


@pytest.mark.parametrize(
    "calls",
    [
        [embedding(1), product(2, Weight.of(constant_of(WIDTH, ROWS)))],
        [embedding(1), product(2, TABLE.reshape(WIDTH, ROWS))],
        [product(1, TABLE.transpose(1, 0)), embedding(2)],
        [embedding(1), product(2, TABLE.transpose(1, 0), bias=Weight.of(constant_of(ROWS)))],
        [product(1, TABLE.transpose(1, 0)), product(2, TABLE)],
    ],
    ids=["another tensor", "other elements", "nothing before it", "a bias", "no embedding"],
)
def test_other_calls_stay(calls: list[Call]) -> None:
    assert share_embeddings(calls) == tuple(calls)


def test_only_the_same_elements_in_the_other_order_are_transposed() -> None:
    assert is_transposed(TABLE, TABLE.transpose(1, 0))
    assert is_transposed(TABLE.transpose(1, 0), TABLE)
    assert not is_transposed(TABLE, TABLE.transpose(1, 0).flip(0))
    assert not is_transposed(TABLE, TABLE)


class Head(nn.Module):
    """The rows of a frozen table, and scores for all rows."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(ROWS, WIDTH), nn.Linear(WIDTH, ROWS)
        self.head.weight = self.table.weight
        self.requires_grad_(requires_grad=False)

    def forward(self, i: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.table(i)))


def test_a_frozen_table_is_held_once_beside_a_frozen_bias() -> None:
    model = t2k.convert(Head(), (torch.randint(ROWS, (2, 5)),)).model
    assert [tuple(w.shape) for w in model.weights] == [(ROWS, WIDTH)]
