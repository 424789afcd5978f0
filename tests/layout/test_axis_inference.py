"""The factors of dimensions are the same wherever they are shared, and as fine as any op needs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

from stages import axes_of, graph_of, node_of, value_of
from torch2keras.declarations.labels import LabelKind
from torch2keras.layout.axis_inference import FactorTable

A = Dim.AUTO


def factors(graph, name: str) -> str:
    """The factors of dimensions, as "<2> 3*4 5"; a symbol is its example's size in brackets."""
    value = value_of(graph, name)
    return " ".join("*".join(_size(graph, f) for f in dim) for dim in axes_of(graph).factors[value])


def _size(graph, size) -> str:
    return str(size) if isinstance(size, int) else f"<{graph.hint(size)}>"


def heads(x):
    return x.unflatten(2, (3, 4)).transpose(1, 2).softmax(-1)


def shuffle(x):
    return x.unflatten(1, (3, 4)).transpose(1, 2).flatten(1, 2)


def tokens_and_back(x, w):
    return F.linear(x.transpose(1, 2).reshape(-1, 3), w).view(x.shape[0], x.shape[2], 7)


NL = ({0: A, 2: A},)

# function, input shapes, dynamic dimensions, name of a value -> its factors
FACTORS = {
    "unflatten reaches the input": (heads, [(2, 5, 12)], None, {"args_0": "<2> 5 3*4"}),
    "flatten reaches the result": (
        shuffle,
        [(2, 12, 7)],
        None,
        {"args_0": "<2> 3*4 7", "flatten": "<2> 4*3 7"},
    ),
    "3*4 and 2*6 stay a block": (
        lambda x: x.relu().unflatten(1, (3, 4)).relu().flatten(1, 2).unflatten(1, (2, 6)),
        [(2, 12, 7)],
        None,
        {"unflatten": "<2> 3 4 7", "flatten": "<2> 3*4 7", "unflatten_1": "<2> 2 6 7"},
    ),
    "4*3 and 2*6 have a common refinement": (
        lambda x: x.unflatten(1, (4, 3)).relu().flatten(1, 2).unflatten(1, (2, 6)),
        [(2, 12, 7)],
        None,
        {"args_0": "<2> 2*2*3 7", "unflatten": "<2> 2*2 3 7", "unflatten_1": "<2> 2 2*3 7"},
    ),
    "batch and length in one dimension": (
        tokens_and_back,
        [(2, 3, 11), (7, 3)],
        (*NL, {}),
        {"reshape": "<2>*<11> 3", "linear": "<2>*<11> 7", "view": "<2> <11> 7"},
    ),
    "channel blocks of a grouped convolution": (
        lambda x, w: F.conv1d(x, w, groups=3),
        [(2, 12, 7), (6, 4, 3)],
        None,
        {"args_0": "<2> 3*4 7", "args_1": "3*2 4 3", "conv1d": "<2> 3*2 5"},
    ),
    "blocks of two grouped convolutions meet": (
        lambda x, v, w: F.conv1d(F.conv1d(x, v, groups=3), w, groups=2),
        [(2, 6, 7), (12, 2, 1), (4, 6, 1)],
        None,
        {"conv1d": "<2> 3*4 7", "conv1d_1": "<2> 2*2 7"},
    ),
    "an axis of one has no factor": (
        lambda x: x.unsqueeze(1) + 1,
        [(2, 3)],
        None,
        {"unsqueeze": "<2> 1 3"},
    ),
    "a slice cuts the axis": (
        lambda x: x[:, 2:].unflatten(1, (2, 5)),
        [(2, 12)],
        None,
        {"args_0": "<2> 12", "slice_2": "<2> 2*5"},
    ),
    "addition carries factors over": (
        lambda x, y: (x + y).unflatten(2, (3, 4)),
        [(2, 5, 12), (12,)],
        None,
        {"args_0": "<2> 5 3*4", "args_1": "3*4"},
    ),
}


@pytest.mark.parametrize("name", FACTORS)
def test_factors(name: str) -> None:
    function, shapes, dynamic, wanted = FACTORS[name]
    graph = graph_of(function, *shapes, dynamic=(dynamic or ({0: A}, *[{}] * (len(shapes) - 1)),))
    assert {value: factors(graph, value) for value in wanted} == wanted


def test_a_view_renames_axes_and_a_block_does_not() -> None:
    graph = graph_of(
        lambda x: x.unflatten(1, (3, 4)).relu().flatten(1, 2).unflatten(1, (2, 6)), (2, 12, 7)
    )
    space = axes_of(graph)
    slots = [
        {label.slot.kind for term in space.terms[node].labels for label, _ in term}
        for node in graph.nodes
    ]
    assert [LabelKind.BLOCK in found for found in slots] == [False, False, False, True]


def test_no_declaration_has_no_terms() -> None:
    graph = graph_of(nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU()), (2, 3, 11))
    node = node_of(graph, "conv1d")
    assert axes_of(graph).terms[node] is not None
    roll = graph_of(lambda x: torch.roll(x, 2), (2, 3, 11))
    assert axes_of(roll).terms[node_of(roll, "roll")] is None


def test_united_dimensions_have_one_factorization() -> None:
    table = FactorTable(int)
    table.unite("a", "b")
    table.unite("b", "c")
    assert table.find("a") == table.find("c") != table.find("d")
    assert table.equate([("a", 12)], [("x", 3), ("y", 4)])
    assert table.factors_of("c", 12) == (3, 4)
    assert table.factors_of("x", 3) == (3,)
    assert table.factors_of("d", 1) == (1,)


def test_an_equation_that_says_nothing_new_changes_nothing() -> None:
    table = FactorTable(int)
    assert table.equate([("a", 12)], [("x", 3), ("one", 1), ("y", 4)])
    assert not table.equate([("a", 12)], [("x", 3), ("y", 4)])
    assert not table.equate([("a", 12)], [("v", 2), ("w", 6)])  # which does not nest
    assert table.factors_of("a", 12) == (3, 4)
    assert table.factors_of("w", 6) == (6,)


def test_both_sides_are_refined() -> None:
    table = FactorTable(int)
    assert table.equate([("a", 4), ("b", 3)], [("v", 2), ("w", 6)])
    assert [table.factors_of(*item) for item in (("a", 4), ("b", 3), ("v", 2), ("w", 6))] == [
        (2, 2),
        (3,),
        (2,),
        (2, 3),
    ]


def test_the_labels_of_a_group_count_within_each_name() -> None:
    graph = graph_of(lambda x: F.pixel_shuffle(x.relu(), 3), (2, 18, 5, 7))
    node = node_of(graph, "pixel_shuffle")
    space = axes_of(graph)
    channels = [axis for axis, dim in enumerate(space.dim_of(node.operands[0])) if dim == 1]
    labels = space.terms[node].take(0, channels)
    assert space.factors[node.operands[0]][1] == (2, 3, 3)
    assert len({axis.label for axis in labels}) == 3
    assert [axis.factor for axis in labels] == [0, 0, 0]


def test_a_dimension_of_one_is_another_on_each_side_of_a_view() -> None:
    graph = graph_of(lambda x: x.squeeze(1).unsqueeze(0), (2, 1, 3))
    space = axes_of(graph)
    for node in graph.nodes:
        before, after = (set(term) for term in space.terms[node].labels)
        assert len(before & after) == 2
