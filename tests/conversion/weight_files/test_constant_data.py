"""Moves, arguments and ops as data: what is read is what was written."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import sympy
import torch

from torch2keras.conversion.weight_files.constant_data import (
    find_op,
    read_argument,
    read_argument_leaf,
    read_moves,
    write_argument,
    write_argument_leaf,
    write_moves,
)
from torch2keras.errors import InputError
from torch2keras.graph.element_moves import (
    Apply,
    ElementMove,
    Flip,
    Narrow,
    Permute,
    Reshape,
    Take,
    element_numbers,
)

aten = torch.ops.aten
SHAPE = (5, 6, 7)

# Moves of a tensor of that shape.
MOVES: dict[str, list[ElementMove]] = {
    "none": [],
    "kernel": [Permute((2, 1, 0)), Reshape((7, 30))],
    "gates": [Take(1, (3, 4, 5, 0, 1, 2)), Narrow(0, 1, 3), Flip((0, 2))],
    "a part": [Apply(aten.select.int, "self", (("dim", 0), ("index", 2)))],
    "one of several": [
        Apply(aten.split.Tensor, "self", (("split_size", 2),), 1),
        Permute((1, 0, 2)),
    ],
    "a column": [Apply(aten.select.int, "self", (("dim", 1), ("index", 2)))],
    "a view": [Apply(aten.view.default, "self", (("size", (6, 35)),))],
}


@pytest.mark.parametrize("name", MOVES)
def test_moves_come_back(name: str) -> None:
    moves = MOVES[name]
    written = json.loads(json.dumps(write_moves(moves, SHAPE)))
    read = read_moves(written)
    assert torch.equal(element_numbers(SHAPE, read), element_numbers(SHAPE, moves))
    has_op = any("apply" in move for move in written)
    assert has_op == (name == "a column")  # what follows on itself is said by plainer moves


ARGUMENTS: list[Any] = [
    *(None, True, 3, 2.5, "mean", math.inf, -math.inf, torch.float16, torch.strided),
    *(torch.preserve_format, [1, 2], [None, 2.5]),
]


@pytest.mark.parametrize("value", ARGUMENTS, ids=str)
def test_arguments_come_back(value: Any) -> None:
    written = json.loads(json.dumps(write_argument(value, write_argument_leaf), allow_nan=False))
    assert read_argument(written, read_argument_leaf) == value


def test_sizes_are_numbers_and_devices_are_this_machine() -> None:
    assert write_argument_leaf(sympy.Integer(7)) == 7
    written = write_argument_leaf(torch.device("meta"))
    assert read_argument_leaf(written) == torch.device("cpu")


@pytest.mark.parametrize("value", [object(), 1j, sympy.Symbol("n")], ids=["object", "1j", "n"])
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="a file has no form for"):
        write_argument_leaf(value)


@pytest.mark.parametrize(
    "written", [{"dtype": "load"}, {"dtype": "strided"}, {"device": 1, "b": 2}]
)
def test_names_of_a_stranger_give_no_other_objects(written: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_argument_leaf(written)


def test_pure_ops_are_found_and_others_are_not() -> None:
    assert find_op("aten::add.Tensor") is aten.add.Tensor
    assert find_op("aten::exp.default") is aten.exp.default
    for name in (
        "aten::add_.Tensor",
        "aten::from_file.default",
        "aten::empty.memory_format",
        "os::x.y",
    ):
        with pytest.raises((ValueError, AttributeError)):
            find_op(name)
