"""Equal letters are the same stored dimension; a dimension of size one has none."""

from __future__ import annotations

import pytest
import torch

from stages import axes_of, graph_of, node_of
from torch2keras.layout.einsum_letters import UNIT, spell_letters
from torch2keras.layout.node_storage import choose_storage
from torch2keras.layout.signatures import complete_signature


def letters_and_storages(function, op: str, *shapes: tuple[int, ...]):
    """The letters of the first node of an op, and the axes of each stored dimension."""
    graph = graph_of(function, *shapes)
    space, node = axes_of(graph), node_of(graph, op)
    order = space.solid(node.operands[0])
    signature = complete_signature(space, node, space.terms[node], 0, order)
    chosen = choose_storage(space, node, signature, [None] * len(node.operands))
    return spell_letters(space, node, chosen), chosen.storages


def nthd(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.einsum("nhts,nshd->nthd", x, y)


def total(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.einsum("ij,ij->", x, y)


EQUATIONS = {
    "a product of matrices": (torch.matmul, "matmul", (3, 5), (5, 7)),
    "a batch of products": (torch.bmm, "bmm", (2, 3, 5), (2, 5, 7)),
    "an equation": (nthd, "einsum", (2, 3, 5, 7), (2, 7, 3, 11)),
    "a sum over all": (total, "einsum", (3, 5), (3, 5)),
}


def store(tensor: torch.Tensor, storage) -> torch.Tensor:
    """The tensor in the order of its stored dimensions, each of which is one axis here."""
    return tensor.permute([axis for (axis,) in storage])


@pytest.mark.parametrize("name", EQUATIONS)
def test_the_letters_are_an_equation_that_computes_the_same(name: str) -> None:
    function, op, *shapes = EQUATIONS[name]
    words, storages = letters_and_storages(function, op, *shapes)
    assert words is not None
    x, y = (torch.randn(shape, dtype=torch.float64) for shape in shapes)
    left, right, result = words
    found = torch.einsum(f"{left},{right}->{result}", store(x, storages[0]), store(y, storages[1]))
    torch.testing.assert_close(found, store(function(x, y), storages[2]))


def test_a_dimension_of_size_one_has_no_letter() -> None:
    (left, right, result), _ = letters_and_storages(torch.matmul, "matmul", (1, 5), (5, 7))
    assert UNIT in left
    assert UNIT in result
    assert UNIT not in right
