"""The operands of a node are stored so that its op can run, as near as can be to how they lie."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages import axes_of, graph_of, node_of
from torch2keras.declarations.labels import Label, Slot
from torch2keras.layout.node_storage import NodeStorage, choose_storage
from torch2keras.layout.signatures import Signature, complete_signature

A, B, S0, S1 = map(Slot.of_name, ("a", "b", "s0", "s1"))
THIRD = Slot.of_argument(2)
FIRST = Label.free(0).slot


def test_positions_are_found_by_name() -> None:
    chosen = NodeStorage((), ({FIRST: [0]}, {A: [1], S1: [3], S0: [2]}, {A: [5], B: [4]}))
    assert chosen.find_name("a") == 1  # in the first term that has it
    assert chosen.find_name("b") == 4
    assert chosen.find_name("s") == (2, 3)
    assert chosen.find_name("s1") == 3
    assert chosen.find_name("c") == ()


def test_positions_are_found_by_argument() -> None:
    chosen = NodeStorage((), ({A: [0]}, {THIRD: [3, 1], Slot.of_argument(0): [2]}, {A: [7]}))
    assert chosen.find_argument_dims((0, 2)) == (2, 3, 1)
    with pytest.raises(KeyError):
        chosen.find_argument_dims((0, 1))
    with pytest.raises(KeyError):
        NodeStorage((), ({A: [0]},)).find_argument_dims((0,))


def chosen_for(module, op, shapes, slot, order, stored) -> NodeStorage:
    graph = graph_of(module, *shapes)
    space, node = axes_of(graph), node_of(graph, op)
    signature = complete_signature(space, node, space.terms[node], slot, order)
    return choose_storage(space, node, signature, stored)


def split_sum(x, y):
    """A sum whose last dimension has two axes, 3 and 5, because of a view of it."""
    return (x + y).unflatten(1, (3, 5))


# module, op, shapes, a term and its order, how the operands lie, all storages
CHOSEN = {
    "in the order in which both lie": (
        lambda x, y: x + y, "add", [(2, 3), (2, 3)], 0, (1, 0), [((1,), (0,)), ((1,), (0,))],
        [((1,), (0,))] * 3,
    ),
    "a row is aligned at the right": (
        lambda x, y: x + y, "add", [(2, 3, 5), (5,)], 0, (0, 1, 2), [((0,), (1,), (2,)), ((0,),)],
        [((0,), (1,), (2,)), ((0,),), ((0,), (1,), (2,))],
    ),
    "a row has units behind it where its dimension is stored before": (
        lambda x, y: x + y, "add", [(2, 3, 5), (5,)], 0, (0, 2, 1), [((0,), (2,), (1,)), ((0,),)],
        [((0,), (2,), (1,)), ((0,), ()), ((0,), (2,), (1,))],
    ),
    "dimensions that share one stay together": (
        split_sum, "add", [(2, 15), (2, 15)], 0, (0, 1, 2), [((0,), (1, 2)), ((0,), (1, 2))],
        [((0,), (1, 2))] * 3,
    ),
    "dimensions that are apart stay apart": (
        split_sum, "add", [(2, 15), (2, 15)], 0, (0, 1, 2), [((0,), (1,), (2,)), ((0,), (1, 2))],
        [((0,), (1,), (2,))] * 3,
    ),
    "where nothing lies in the order, the natural one": (
        split_sum, "add", [(2, 15), (2, 15)], 0, (1, 2, 0), [((0,), (1,), (2,)), ((0,), (1, 2))],
        [((1, 2), (0,))] * 3,
    ),
    "a kernel has its own dimensions": (
        nn.Conv1d(3, 5, 7), "conv1d", [(2, 3, 11)], 0, (0, 2, 1), [((0,), (1,), (2,)), None, None],
        [((0,), (2,), (1,)), ((2,), (1,), (0,)), ((0,),), ((0,), (2,), (1,))],
    ),
    "and takes the rows of a matrix as they lie": (
        lambda x: nn.functional.linear(x.unflatten(0, (2, 7)), torch.ones(5, 3)), "linear",
        [(14, 3)], 0, (0, 1, 2), [((0, 1), (2,)), None, None],
        [((0, 1), (2,)), ((1,), (0,)), ((0, 1), (2,))],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHOSEN)
def test_the_storages_of_a_node(name) -> None:
    module, op, shapes, slot, order, stored, storages = CHOSEN[name]
    assert list(chosen_for(module, op, shapes, slot, order, stored).storages) == storages


def test_the_positions_of_a_kernel() -> None:
    chosen = chosen_for(nn.Conv2d(3, 5, 7), "conv2d", [(2, 3, 11, 13)], 0, (0, 2, 3, 1), [None] * 3)
    found = {name: chosen.find_name(name) for name in ("n", "c", "s", "f", "k")}
    assert found == {"n": 0, "c": 3, "s": (1, 2), "f": 3, "k": (0, 1)}


def test_the_stored_positions_of_an_argument() -> None:
    stored = [((2,), (0,), (1,))]
    chosen = chosen_for(lambda x: x.mean((0, 2)), "mean", [(2, 3, 5)], 0, (2, 0, 1), stored)
    assert chosen.find_argument_dims((0, 2)) == (1, 0)


def test_an_op_without_a_declaration_has_pytorchs_dimensions() -> None:
    graph = graph_of(lambda x: torch.fft.fft(x.unflatten(1, (3, 5)).flatten(1)).real, (2, 15))
    space = axes_of(graph)
    pinned = [node for node in graph.nodes if space.terms[node] is None]
    assert pinned
    for node in pinned:
        values = node.operands + node.outputs
        orders = tuple(space.solid(value) for value in values)
        signature = Signature(orders, ())
        chosen = choose_storage(space, node, signature, [None] * len(node.operands))
        assert [len(storage) for storage in chosen.storages] == [v.type.rank for v in values]
