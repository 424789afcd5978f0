"""The text of a move does what the move does, on arrays and on tensors."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
import torch

from torch2keras.errors import InternalError
from torch2keras.explanation.move_text import (
    constant_argument,
    index_text,
    numpy_move,
    reshape_text,
    torch_move,
    transpose_text,
)
from torch2keras.graph.element_moves import Apply, Flip, Narrow, Permute, Reshape, Take

aten = torch.ops.aten

MOVES = [
    Reshape((3, 2, 5)),
    Permute((1, 0)),
    Narrow(1, 2, 5),
    Flip((0, 1)),
    Take(1, (4, 0, 0)),
    Apply(aten.select.int, "self", (("dim", 1), ("index", 2))),
    Apply(aten.unsqueeze.default, "self", (("dim", -1),)),
    Apply(aten.split.Tensor, "self", (("split_size", 2), ("dim", 0)), result=1),
]


@pytest.mark.parametrize("move", MOVES, ids=lambda move: type(move).__name__)
def test_the_text_moves_elements_as_the_move_does(move) -> None:
    tensor = torch.randn(6, 5)
    wanted = move(tensor).numpy()
    scope = {"w": tensor.numpy(), "torch": torch}
    array = eval(numpy_move("w", move), scope)  # noqa: S307 - the package's own text
    assert np.array_equal(array, wanted)
    moved = eval(torch_move("w", move), {"w": tensor, "torch": torch})  # noqa: S307 - as above
    assert np.array_equal(moved.numpy(), wanted)


def test_short_forms() -> None:
    assert transpose_text((0, 1, 2)) == ""
    assert transpose_text((1, 0)) == ".T"
    assert transpose_text((2, 1, 0)) == ".transpose(2, 1, 0)"
    assert reshape_text(()) == ".reshape(())"
    assert index_text((slice(None), slice(0, 3))) == "[:, 0:3]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.float64, "torch.float64"),
        (torch.strided, "torch.strided"),
        (sympy.Integer(7), "7"),
        (sympy.Rational(1, 2), "0.5"),
        (float("-inf"), 'float("-inf")'),
        (None, "None"),
        (True, "True"),
    ],
)
def test_a_plain_argument(value, text) -> None:
    assert constant_argument(value) == text


def test_what_has_no_text_is_refused() -> None:
    with pytest.raises(InternalError, match="has no text"):
        constant_argument(object())
