"""What an op declares of its dimensions, at one node: labels and what they measure."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from stages import graph_of, node_of
from torch2keras.layout.axis_maps import build_axis_map, call_on, find_permutation, label_sizes


@pytest.mark.parametrize(
    "move",
    [
        lambda x: x.permute(2, 0, 3, 1),
        lambda x: x.transpose(-1, 0),
        lambda x: x.movedim(0, 2),
        lambda x: x.movedim((0, 1), (3, 0)),
        lambda x: x.swapaxes(1, 3),
        lambda x: x.mT,
    ],
)
def test_permutations_are_read_off_a_probe(move) -> None:
    graph = graph_of(move, (2, 3, 5, 7))
    node = graph.nodes[-1]
    x = torch.randn(2, 3, 5, 7)
    assert torch.equal(x.permute(find_permutation(node)), move(x))


def test_an_op_is_called_on_another_operand() -> None:
    node = graph_of(lambda x: x.flip(1), (2, 3)).nodes[0]
    x = torch.randn(5, 7)
    assert torch.equal(call_on(node, x), x.flip(1))


# module, shapes, op -> what each named label measures, "-" for one of ...
SIZES = {
    "each dimension has a name": (
        nn.Conv1d(3, 5, 7), [(2, 3, 11)], "conv1d", {"c": 3, "f": 5, "k0": 7},
    ),
    "an argument tells one part of a group": (
        lambda x: F.pixel_shuffle(x, 3), [(2, 18, 5, 7)], "pixel_shuffle", {"c": 2},
    ),
    "a broadcast dimension is that of the other": (
        lambda x, y: x + y, [(2, 3), (2, 1)], "add", {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_what_labels_measure(name) -> None:
    module, shapes, op, wanted = SIZES[name]
    node = node_of(graph_of(module, *shapes), op)
    axis_map = build_axis_map(node)
    sizes = label_sizes(node, axis_map)
    found = {label.slot.text: size for label, size in sizes.items() if label.slot.name}
    assert {key: found.get(key) for key in wanted} == wanted
    assert sizes.keys() == {label for dims in axis_map.dims for dim in dims for label in dim}


def test_a_broadcast_label_measures_what_is_not_one() -> None:
    for shapes in ([(2, 3), (2, 1)], [(2, 1), (2, 3)]):
        node = node_of(graph_of(lambda x, y: x + y, *shapes), "add")
        sizes = label_sizes(node, build_axis_map(node))
        assert [sizes[label] for label in sizes if label.slot.number == -1] == [3]


# what has no labels: views, ops without a declaration, and shapes that no pattern fits
UNMAPPED = {
    "a view": (lambda x: x.flatten(), "flatten"),
    "no declaration": (lambda x: torch.roll(x, 2), "roll"),
}


@pytest.mark.parametrize("name", UNMAPPED)
def test_what_has_no_labels(name) -> None:
    function, op = UNMAPPED[name]
    assert build_axis_map(node_of(graph_of(function, (2, 3, 5)), op)) is None


def test_a_copy_has_the_labels_of_its_operand() -> None:
    graph = graph_of(lambda x: torch.positive(x), (2, 3))
    for node in graph.nodes:
        operand, result = build_axis_map(node).dims
        assert operand == result


def test_the_declaration_is_handed_on() -> None:
    axis_map = build_axis_map(node_of(graph_of(nn.Linear(3, 5), (2, 3)), "linear"))
    assert axis_map.kernel is not None
    assert axis_map.reorder_cost > 0
    assert not axis_map.equation
    product = build_axis_map(node_of(graph_of(torch.matmul, (2, 3), (3, 5)), "matmul"))
    assert product.equation
    assert product.cost is not None
    assert build_axis_map(node_of(graph_of(torch.relu, (2, 3)), "relu")).pointwise
