from __future__ import annotations

import pytest
import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from torch2keras.fx_passes.fake_values import (
    Emitter,
    copy_node,
    fake_mode_of,
    fix_known_sizes,
    leaves,
    same_sizes,
    size_as_number,
    storage_key,
    symbolic_expression,
)

aten = torch.ops.aten


def fake_with_open_rows(shape=(3, 5)):
    """A fake tensor whose first size is a symbol."""
    mode = FakeTensorMode(shape_env=ShapeEnv())
    context = StatelessSymbolicContext([DimDynamic.DYNAMIC, DimDynamic.STATIC])
    return mode, mode.from_tensor(torch.ones(shape), symbolic_context=context)


def test_sizes_are_numbers_or_symbols():
    _, x = fake_with_open_rows()
    assert size_as_number(x.shape[1]) == 5
    assert size_as_number(x.shape[0]) is None
    assert symbolic_expression(5) is None
    assert symbolic_expression(2 * x.shape[0]) == 2 * symbolic_expression(x.shape[0])
    assert size_as_number(x.shape[0] - x.shape[0] + 7) == 7


def test_sizes_are_compared_without_a_guard():
    mode, x = fake_with_open_rows()
    rows = x.shape[0]
    assert same_sizes((rows, 5), x.shape)
    assert not same_sizes((3, 5), x.shape)
    assert not same_sizes((rows,), x.shape)
    assert not mode.shape_env.guards


def test_a_symbol_that_became_a_number_is_written_as_one():
    mode, x = fake_with_open_rows()
    turned = x.mT
    assert fix_known_sizes(mode, turned) is turned, "it keeps its strides"
    assert x.shape[0] == 3  # the guard fixes the symbol
    fixed = fix_known_sizes(mode, x)
    assert tuple(map(type, fixed.shape)) == (int, int)
    assert tuple(fixed.shape) == (3, 5)
    assert fix_known_sizes(mode, 7) == 7


def test_storage_is_shared_by_views_alone():
    x = torch.ones(3, 5)
    assert storage_key(x) == storage_key(x.mT[1:]) != storage_key(x.clone())
    assert storage_key(x.to_sparse()) is None
    assert storage_key(3) is None


def test_leaves():
    assert list(leaves([1, (2, [3]), None])) == [1, 2, 3, None]


def test_a_copied_placeholder_keeps_its_name():
    given = fx.Graph()
    first, second = given.placeholder("input"), given.placeholder("input_x")
    second.name = "input"
    graph = fx.Graph()
    names = [copy_node(graph, node, {}.__getitem__).name for node in (first, second)]
    assert names == [first.name, "input"]


def test_an_emitted_call_has_a_value_and_an_origin():
    given, graph = fx.Graph(), fx.Graph()
    mode = fake_mode_of(given)
    origin = given.call_function(aten.neg.default, ())
    origin.meta = {"stack_trace": "here", "val": None}
    x = graph.placeholder("x")
    x.meta["val"] = mode.from_tensor(torch.ones(3, 5))
    node = Emitter(graph, mode, origin)(aten.sum.dim_IntList, x, [1], dtype=torch.float64)
    assert (node.meta["val"].shape, node.meta["val"].dtype) == ((3,), torch.float64)
    assert node.meta["stack_trace"] == "here"
    assert fake_mode_of(graph) is mode
    with pytest.raises(IndexError):
        Emitter(graph, mode, origin)(aten.sum.dim_IntList, x, [2])
