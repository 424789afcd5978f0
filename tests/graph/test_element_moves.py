from __future__ import annotations

import pytest
import torch

from torch2keras.graph.element_moves import (
    Apply,
    Flip,
    Narrow,
    Permute,
    Reshape,
    Take,
    describe_arrangement,
    describe_moves,
    element_numbers,
    move_elements,
)
from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.weight import Weight

aten = torch.ops.aten
X = torch.arange(2 * 3 * 5).reshape(2, 3, 5)

MOVES = [
    (Reshape((6, 5)), X.reshape(6, 5)),
    (Permute((2, 0, 1)), X.permute(2, 0, 1)),
    (Narrow(2, 1, 4), X[:, :, 1:4]),
    (Flip((0, 2)), X.flip(0, 2)),
    (Apply(aten.select.int, "self", (("dim", 1), ("index", -1))), X[:, -1]),
    (
        Apply(aten.split_with_sizes.default, "self", (("split_sizes", (2, 3)), ("dim", 2)), 1),
        X[..., 2:],
    ),
]


@pytest.mark.parametrize(("move", "result"), MOVES, ids=lambda v: type(v).__name__)
def test_move(move, result) -> None:
    assert torch.equal(move(X), result)
    assert {move: 1}[move] == 1  # hashable: equal moves of one tensor are one weight


def test_numbers_say_where_each_element_comes_from() -> None:
    moves = [m for m, _ in MOVES[:1]] + [Permute((1, 0)), Narrow(0, 1, 3)]
    data = torch.randn(2, 3, 5)
    assert torch.equal(
        data.flatten()[element_numbers((2, 3, 5), moves)], move_elements(data, moves)
    )


def test_a_weight_moves_shape_and_values_alike() -> None:
    weight = Weight.of(Constant("w", TensorType((2, 3, 5), torch.int64), X))
    moved = weight.transpose(2, 1, 0).reshape(5, -1).narrow(0, 1, 4).flip(0)
    expected = X.permute(2, 1, 0).reshape(5, 6)[1:4].flip(0)
    assert moved.shape == tuple(expected.shape)
    assert torch.equal(moved.values(), expected)
    assert weight.transpose(0, 1, 2).reshape(2, 3, 5) is weight
    assert (
        moved.key
        == weight.transpose(2, 1, 0).reshape(5, 6).narrow(0, 1, 4).flip(0).key
        != weight.key
    )


def test_moves_are_told_in_the_words_of_the_map() -> None:
    moves = [move for move, _ in MOVES[:5]]
    assert describe_moves([*moves, Take(0, (1, 0)), Take(1, tuple(range(9)))]) == (
        "reshape [6, 5]",
        "permute [2, 0, 1]",
        "narrow [2, 1, 4]",
        "flip [0, 2]",
        "apply aten.select.int",
        "take [0, [1, 0]]",
        "take [1, [0, 1, 2, 3, 4, 5, 6, 7, ... of 9]]",
    )


SAME_PLACES = [
    ((), (Permute((0, 1, 2)),)),
    ((Permute((2, 0, 1)),), (Permute((1, 2, 0)), Permute((1, 2, 0)))),
    ((Reshape((6, 5)),), (Permute((2, 0, 1)), Reshape((5, 6)), Permute((1, 0)))),
    ((Narrow(2, 1, 3),), (Flip((2,)), Narrow(2, 2, 4), Flip((2,)))),
    ((Flip((0,)),), (Take(0, (1, 0)),)),
]


@pytest.mark.parametrize(("one", "other"), SAME_PLACES)
def test_an_arrangement_tells_the_same_places(one, other) -> None:
    assert torch.equal(element_numbers((2, 3, 5), one), element_numbers((2, 3, 5), other))
    told = describe_arrangement((2, 3, 5), one)
    assert told == describe_arrangement((2, 3, 5), other)
    assert hash(told) == hash(describe_arrangement((2, 3, 5), other))


def test_an_arrangement_tells_other_places() -> None:
    told = {describe_arrangement((2, 3, 5), moves) for moves, _ in SAME_PLACES}
    assert len(told) == len(SAME_PLACES)
    assert describe_arrangement((3, 3), (Permute((1, 0)),)) != describe_arrangement((3, 3), ())


def test_an_arrangement_of_a_view_takes_no_memory() -> None:
    huge = (2**20, 2**20)
    assert describe_arrangement(huge, (Permute((1, 0)),)) == (huge, (1, 2**20), 0)
