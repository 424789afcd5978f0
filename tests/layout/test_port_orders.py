"""The orders of public ports: as the caller names them, with PyTorch's letters."""

from __future__ import annotations

import pytest

from stages import axes_of, graph_of
from torch2keras.errors import InputError
from torch2keras.graph.ir import Graph
from torch2keras.layout.port_orders import dimension_letters, port_names, read_layout


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(lambda x, y: (x + y.mean(), y.transpose(0, 1), 3), (2, 3, 5), (5, 7))


@pytest.mark.parametrize(
    ("rank", "letters"),
    [
        (0, []),
        (1, ["n"]),
        (3, ["n", "c", "l"]),
        (5, ["n", "c", "d", "h", "w"]),
        (6, ["a", "b", "c", "d", "e", "f"]),
    ],
)
def test_letters_of_dimensions(rank: int, letters: list[str]) -> None:
    assert dimension_letters(rank) == letters


def test_ports_are_named_after_parameters_and_places(graph: Graph) -> None:
    inputs, outputs = port_names(graph)
    assert len(inputs) == 2
    assert outputs == ["output_0", "output_1"]
    assert port_names(graph_of(lambda x: -x, (3, 5)))[1] == ["output"]


def test_keras_fixes_nothing_and_torch_everything(graph: Graph) -> None:
    space = axes_of(graph)
    assert read_layout(graph, space, "keras") == {}
    fixed = read_layout(graph, space, "torch")
    assert list(fixed) == [*graph.inputs, 0, 1]
    for value in graph.inputs:
        assert fixed[value] == space.solid(value)


def test_a_named_port_has_the_order_of_its_letters(graph: Graph) -> None:
    space, name = axes_of(graph), port_names(graph)[0][0]
    order = {name: "n l c", "output_1": "c n"}
    assert read_layout(graph, space, order) == {graph.inputs[0]: (0, 2, 1), 1: (1, 0)}


def test_a_dimension_that_is_viewed_as_several_moves_as_one() -> None:
    graph = graph_of(lambda x: x.reshape(2, 3, 5, 7) * 2, (2, 15, 7))
    order = {port_names(graph)[0][0]: "l c n"}
    assert read_layout(graph, axes_of(graph), order) == {graph.inputs[0]: (3, 1, 2, 0)}


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("nhwc", "unknown layout"),
        ({"z": "n c"}, "names no port"),
        ({"output_0": "n c"}, "does not order its dimensions"),
        ({"output_0": "n c c"}, "does not order its dimensions"),
    ],
)
def test_what_is_no_layout_is_refused(graph: Graph, layout, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_layout(graph, axes_of(graph), layout)
