"""From the order of one term follow those of all others, by what the op declares."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages import axes_of, graph_of, node_of
from torch2keras.declarations.labels import AxisLabel, Label, Slot
from torch2keras.declarations.patterns import parse_pattern
from torch2keras.graph.ir import Constant
from torch2keras.layout.signatures import (
    complete_signature,
    insert_missing,
    keeps_dims_whole,
    kernel_groups,
    kernel_order,
    reorder_kernel,
    signature_cost,
)


def named(text: str) -> list[AxisLabel]:
    """Axes of named dimensions: "a b0 b1" are a, and the factors 0 and 1 of b."""
    axes = []
    for word in text.split():
        name = word.rstrip("0123456789")
        axes.append(AxisLabel(Label(Slot.of_name(name)), int(word[len(name) :] or 0)))
    return axes


def signature_of(module, op: str, slot: int, order: tuple[int, ...], *shapes):
    graph = graph_of(module, *shapes)
    space, node = axes_of(graph), node_of(graph, op)
    return complete_signature(space, node, space.terms[node], slot, order)


# module, op, shapes of the inputs, a term and its order, all orders that follow
COMPLETED = {
    "a sum, and a row that is broadcast": (
        lambda x, y: x + y, "add", [(2, 3, 5), (5,)], 0, (0, 2, 1), [(0, 2, 1), (0,), (0, 2, 1)],
    ),
    "a sum, told by its result": (
        lambda x, y: x + y, "add", [(2, 3, 5), (3, 1)], 2, (2, 0, 1), [(2, 0, 1), (0,), (2, 0, 1)],
    ),
    "a mean over the dimension that is stored first": (
        lambda x: x.mean(1), "mean", [(2, 3, 5)], 0, (1, 2, 0), [(1, 2, 0), (1, 0)],
    ),
    "a transposition": (
        lambda x: x.transpose(0, 2), "transpose", [(2, 3, 5)], 0, (1, 0, 2), [(1, 0, 2), (1, 2, 0)],
    ),
    "a view that splits a dimension": (
        lambda x: x.unflatten(1, (3, 5)), "unflatten",
        [(2, 15)], 1, (2, 0, 1), [(2, 0, 1), (2, 0, 1)],
    ),
    "a convolution wants its own order": (
        nn.Conv1d(3, 5, 7), "conv1d",
        [(2, 3, 11)], 0, (0, 1, 2), [(0, 2, 1), (2, 1, 0), (0,), (0, 2, 1)],
    ),
    "a matrix wants its rows last, in the order of the seed before": (
        nn.Linear(3, 5), "linear", [(2, 7, 3)], 0, (1, 0, 2), [(1, 0, 2), (1, 0), (0,), (1, 0, 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPLETED)
def test_all_orders_follow_from_one(name) -> None:
    module, op, shapes, slot, order, orders = COMPLETED[name]
    assert list(signature_of(module, op, slot, order, *shapes).orders) == orders


def test_a_cost_is_of_operands_that_are_no_constants() -> None:
    weight = nn.Parameter(torch.randn(5, 3))

    class Products(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = weight

        def forward(self, x):
            return torch.einsum("bts,oc,bsc->bto", x @ x.mT, self.weight, x), x.softmax(1)

    graph = graph_of(Products(), (2, 7, 3))
    space = axes_of(graph)
    node = node_of(graph, "softmax")
    values, terms = node.operands + node.outputs, space.terms[node]
    assert signature_cost(values, terms, [(0, 2, 1), (0, 2, 1)]) == 0
    both = signature_cost(values, terms, [(0, 1, 2), (0, 1, 2)])
    assert both == 2 * signature_cost(values, terms, [(0, 1, 2), (0, 2, 1)]) > 0
    held = Constant("held", values[0].type, torch.randn(2, 7, 3))
    assert signature_cost((held, values[1]), terms, [(0, 1, 2), (0, 2, 1)]) == 0


def test_a_kernel_in_another_order_costs_what_is_out_of_its_own() -> None:
    graph = graph_of(nn.Linear(3, 5), (2, 7, 3))
    space, node = axes_of(graph), node_of(graph, "linear")
    terms = space.terms[node]
    found = list(reorder_kernel(space, node, terms, 3, (0, 2, 1), 0.25))
    assert {(s.orders[0], s.orders[-1], s.cost) for s in found} == {
        ((0, 1, 2), (0, 2, 1), 0.25),
        ((0, 2, 1), (0, 2, 1), 0.5),
    }
    assert not list(reorder_kernel(space, node, terms, 0, (0, 1, 2), 0.25))  # its own
    assert not list(reorder_kernel(space, node, terms, 0, (2, 0, 1), 0.25))  # not the batch first


def test_a_named_dimension_of_one_has_no_other_order() -> None:
    graph = graph_of(nn.Linear(1, 5), (2, 7, 1))
    space, node = axes_of(graph), node_of(graph, "linear")
    assert not list(reorder_kernel(space, node, space.terms[node], 0, (1, 0), 0.25))


# the axes of a term, the kernel's term, the order of the batch, the seed, the groups
GROUPS = [
    ("n c s", "n s c", "", "", [(0,), (2,), (1,)]),
    ("n c s0 s1", "n s c", "", "n s1 s0 c", [(0,), (3, 2), (1,)]),
    ("n c s0 s1", "n s c", "", "n c", [(0,), (2, 3), (1,)]),
    ("c s", "n? s c", "", "", [(), (1,), (0,)]),
    ("a b c", "(c a) b", "", "", [(2, 0), (1,)]),
    ("a b c", "... c", "b a", "", [(1,), (0,), (2,)]),
]


@pytest.mark.parametrize(("axes", "kernel", "batch", "seed", "groups"), GROUPS)
def test_groups_of_a_kernel(axes, kernel, batch, seed, groups) -> None:
    (term,) = parse_pattern(f"{kernel} -> x").operands
    arguments = named(axes), term, named(batch), named(seed)
    assert kernel_groups(*arguments) == groups
    assert kernel_order(*arguments) == [axis for group in groups for axis in group]


def test_numbered_dimensions_of_a_kernel() -> None:
    labels = [AxisLabel(Label(Slot.of_name(name)), 0) for name in ("n", "c", "s0", "s1")]
    (term,) = parse_pattern("n *s c -> x").operands
    assert kernel_groups(labels, term, [], []) == [(0,), (2,), (3,), (1,)]


# a total order, the labels of a term, the order with them
MISSING = [
    ("", "a b", "a b"),
    ("a b", "b a", "a b"),
    ("a c", "a b c", "a b c"),  # behind its predecessor
    ("a c", "b c", "b a c"),  # no predecessor: first
    ("a0 c", "b a1 c", "b a0 a1 c"),  # beside its own dimension
    ("a0 a1 c", "a0 b", "a0 a1 b c"),  # not into a dimension
]


@pytest.mark.parametrize(("total", "labels", "extended"), MISSING)
def test_missing_labels_join_their_neighbours(total, labels, extended) -> None:
    axes = named(total)
    insert_missing(axes, named(labels))
    assert axes == named(extended)


@pytest.mark.parametrize(
    ("order", "whole"),
    [((0, 1, 2, 3), True), ((1, 2, 3, 0), True), ((2, 1, 0, 3), False), ((1, 0, 2, 3), False)],
)
def test_whole_dimensions_move(order, whole) -> None:
    graph = graph_of(lambda x: x.unflatten(1, (3, 5)), (2, 15, 7))
    space = axes_of(graph)
    assert space.dim_of(graph.inputs[0]) == (0, 1, 1, 2)
    assert keeps_dims_whole(space, graph.inputs[0], order) is whole
