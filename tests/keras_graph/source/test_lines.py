"""Calls become lines: a tree, the constants in it, and the values that it reads."""

from __future__ import annotations

from itertools import count

import pytest
import torch

from source_graphs import Maker, Value, literal
from torch2keras.keras_graph.graph import Call, Ref
from torch2keras.keras_graph.source.expressions import Array, Fixed, LayerKind
from torch2keras.keras_graph.source.lines import (
    Append,
    CallTree,
    Group,
    Index,
    Layer,
    Line,
    Read,
    common_path,
    default_arguments,
    gaps_of,
    layer_extras,
    make_lines,
    read_constant,
    simplify_argument,
)


def lines_of(maker: Maker) -> list[Line]:
    lines = []
    for group in make_lines(maker.calls, count(100)):
        lines += group
    return lines


def test_an_op() -> None:
    maker = Maker("a", "b")
    maker.op("concatenate", [1, 0], path="m", axis=-1)
    (line,) = lines_of(maker)
    group = Group(is_list=True, items=(Read(0), Read(1)))
    assert isinstance(line.tree, CallTree)
    assert (line.tree.function, line.tree.args) == ("ops.concatenate", (group,))
    assert (line.reads, line.gaps, line.makes, line.path) == ([1, 0], [Fixed(-1)], [2], "m")
    assert [(gap.label, value) for gap, value in line.slots] == [("axis", Fixed(-1))]


def test_equal_calls_have_equal_trees() -> None:
    maker = Maker()
    x = maker.layer("Dense", 0, "one", units=8)
    maker.layer("Dense", x, "two", units=9, use_bias=False)
    one, two = lines_of(maker)
    assert one.tree == two.tree
    assert len(list(gaps_of(one.tree))) == len(one.gaps)
    assert [gap.place for gap in gaps_of(one.tree)] == list(range(len(one.gaps)))
    assert one.slots[-1] == (one.slots[-1][0], Fixed("one"))


def test_activations_are_a_gap() -> None:
    maker = Maker()
    x = maker.layer("ReLU", 0, "act")
    maker.layer("LeakyReLU", x, "leaky", negative_slope=0.1)
    one, two = lines_of(maker)
    assert one.tree == two.tree
    assert one.gaps[0] == Fixed(LayerKind("ReLU", ()))
    assert two.gaps[0] == Fixed(LayerKind("LeakyReLU", (("negative_slope", 0.1),)))


def test_a_shared_layer_is_made_before() -> None:
    maker = Maker()
    x = maker.layer("Dense", 0, "a.one", "same", units=8)
    maker.layer("Dense", x, "a.two", "same", units=8)
    made, first, second = lines_of(maker)
    assert isinstance(made.tree, Layer)
    assert (made.makes, made.path) == ([100], "a")
    assert first.tree == second.tree
    assert (first.reads, second.reads) == ([100, 0], [100, 1])


def test_growing_lists() -> None:
    maker = Maker("a", "b")
    x = maker.op("concatenate", [0, 1])
    maker.op("concatenate", [0, 1, x])
    first, one, second, two = lines_of(maker)
    assert isinstance(first.tree, Group)
    assert second.tree == Append(Read(0), Read(1))
    assert second.reads == [100, x]
    assert (one.reads, two.reads) == ([100], [101])


def test_a_list_that_does_not_grow_stays() -> None:
    maker = Maker("a", "b")
    maker.op("concatenate", [0, 1])
    maker.op("concatenate", [1, 0])
    assert [line.makes for line in lines_of(maker)] == [[2], [3]]


def test_an_index() -> None:
    maker = Maker()
    maker.call("getitem", [0, Value((slice(None), 3))])
    (line,) = lines_of(maker)
    assert isinstance(line.tree, Index)
    assert line.tree.is_tuple
    assert line.gaps == [Fixed(None), Fixed(None), Fixed(None), Fixed(3)]


CONSTANTS = [
    (torch.tensor([1.0, 2.0]), Array([1.0, 2.0], "float32")),
    (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), Array([1.0, 2.0], "float32")),
    (torch.zeros(0, 2, dtype=torch.int64), Array([], "int64", (0, 2))),
    (torch.tensor(data=True), Array(values=True, dtype="bool")),
]


@pytest.mark.parametrize(("tensor", "array"), CONSTANTS)
def test_literals(tensor, array) -> None:
    assert read_constant([literal(tensor), (1,)]) == [array, (1,)]


SIMPLE = [
    ("kernel_size", (3, 3), 3),
    ("kernel_size", (3, 5), (3, 5)),
    ("padding", ((1, 1), (1, 1)), 1),
    ("padding", "same", "same"),
    ("padding", (True,), (True,)),
    ("axis", (1, 1), (1, 1)),
    ("strides", (), ()),
]


@pytest.mark.parametrize(("key", "value", "simple"), SIMPLE)
def test_simple_numbers(key, value, simple) -> None:
    assert simplify_argument(key, value) == simple


PATHS = [(["a.b", "a.c"], "a"), (["a.b", "a.b.c"], "a.b"), (["ab", "a"], ""), (["", "a"], "")]


@pytest.mark.parametrize(("paths", "common"), PATHS)
def test_common_paths(paths, common) -> None:
    assert common_path(paths) == common


def test_what_layers_have_beside_their_configuration() -> None:
    call = Call("layers.Dense", (Ref(0),), {}, (1,), dtype="float16", trainable=False)
    assert layer_extras(call) == {"trainable": False, "dtype": "float16"}
    assert "name" not in default_arguments("Dense")
    assert default_arguments("Dense")["use_bias"] is True
