from __future__ import annotations

import pytest
import torch
from torch import fx

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.fake_values import Emitter, fake_mode_of
from torch2keras.fx_passes.inplace_ops import (
    RESHAPING,
    emit_new_value,
    find_functional_overload,
    find_written_operands,
)

aten = torch.ops.aten


def placeholders(*values):
    """A graph with a placeholder for each tensor."""
    graph = fx.Graph()
    mode = fake_mode_of(graph)
    nodes = []
    for number, value in enumerate(values):
        node = graph.placeholder(f"x{number}")
        node.meta["val"] = mode.from_tensor(value)
        nodes.append(node)
    return graph, mode, nodes


def written(op, *values, **kwargs):
    graph, _, nodes = placeholders(*values)
    found = find_written_operands(graph.call_function(op, tuple(nodes), kwargs))
    return [nodes.index(node) for node in found]


X = torch.linspace(-2, 2, 15).reshape(3, 5)
ROW = torch.linspace(1, 3, 5)


def test_written_operands_follow_the_schema_and_the_hidden_flags():
    assert written(aten.add.Tensor, X, X) == []
    assert written(aten.add_.Tensor, X, X) == [0]
    assert written(aten.sum.IntList_out, X, out=None) == []
    batch_norm = (X, ROW, ROW, ROW, ROW)
    momentum = {"momentum": 0.1, "eps": 1e-5, "cudnn_enabled": False}
    assert written(aten.batch_norm.default, *batch_norm, training=False, **momentum) == []
    assert written(aten.batch_norm.default, *batch_norm, training=True, **momentum) == [3, 4]


def test_a_result_that_is_given_is_written():
    graph, _, (x, out) = placeholders(X, ROW)
    node = graph.call_function(aten.sum.IntList_out, (x, [0]), {"out": out})
    assert find_written_operands(node) == (out,)


NEW_VALUES = [
    (aten.add_.Tensor, (X, ROW)),
    (aten.mul_.Tensor, (X.int(), ROW.int())),
    (aten.clamp_.default, (X, -1, 1)),
    (aten.copy_.default, (X, ROW.double())),
    (aten.copy_.default, (X.int(), 10 * ROW)),
    (aten.fill_.Scalar, (X, 3)),
    (aten.fill_.Tensor, (X, torch.tensor(3))),
    (aten.zero_.default, (X,)),
    (aten.bitwise_and_.Tensor, (X > 0, X > -1)),
    (aten.__ior__.Tensor, (X > 0, X > -1)),
]


@pytest.mark.parametrize(("op", "operands"), NEW_VALUES, ids=lambda value: str(value)[:20])
def test_the_new_value_is_what_the_op_writes(op, operands):
    tensors = [value for value in operands if isinstance(value, torch.Tensor)]
    graph, mode, nodes = placeholders(*tensors)
    args = (*nodes, *operands[len(nodes) :])
    emit = Emitter(graph, mode, fx.Graph().call_function(op, ()))
    result = emit_new_value(emit, args, {})
    graph.output(result)
    kept = [value.clone() for value in tensors]
    ours = fx.GraphModule({}, graph)(*tensors)
    assert all(map(torch.equal, kept, tensors)), "nothing is written"
    theirs = op(operands[0].clone(), *operands[1:])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert (result.meta["val"].shape, result.meta["val"].dtype) == (theirs.shape, theirs.dtype)


def test_an_op_without_functional_form_is_refused():
    graph, mode, nodes = placeholders(X)
    emit = Emitter(graph, mode, fx.Graph().call_function(aten.fill_diagonal_.default, ()))
    with pytest.raises(UnsupportedOpError, match="no functional form"):
        emit_new_value(emit, (*nodes, 3), {})


OVERLOADS = {
    aten.add_.Tensor: aten.add.Tensor,
    aten.add_.Scalar: aten.add.Scalar,
    aten.masked_fill_.Scalar: aten.masked_fill.Scalar,
    aten.__ior__.Scalar: aten.__or__.Scalar,
    aten.add.out: None,
    aten.add.Tensor: None,
    aten.resize_.default: None,
}


@pytest.mark.parametrize("op", OVERLOADS, ids=str)
def test_functional_overload(op):
    assert find_functional_overload(op) is OVERLOADS[op]


@pytest.mark.parametrize("op", RESHAPING, ids=str)
def test_reshaping_ops_and_their_views_give_the_same(op):
    x = torch.linspace(-2, 2, 7).reshape(1, 7)
    dims = {"dim0": 0, "dim1": 1, "axis0": 0, "axis1": 1, "dim": 0}
    arguments = [dims[a.name] for a in op._schema.arguments if a.name in dims]
    if op is aten.squeeze_.dims:
        arguments = [[0]]
    theirs = op(x.clone(), *arguments)
    ours = RESHAPING[op](x, *arguments)
    assert torch.equal(ours, theirs)
    assert ours.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()


def test_every_in_place_method_has_a_functional_form():
    """Over the ATen ops behind the methods of a tensor that end in "_"."""
    missing = set()
    for name in torch._C._dispatch_get_all_op_names():
        base, _, overload = name.removeprefix("aten::").partition(".")
        if (
            not name.startswith("aten::")
            or not base.endswith("_")
            or not hasattr(torch.Tensor, base)
        ):
            continue
        op = getattr(getattr(torch.ops.aten, base), overload or "default", None)
        if op is None or not op._schema.is_mutable or overload.endswith("out") or op in RESHAPING:
            continue
        if find_functional_overload(op) is None:
            missing.add(base)
    # Refused by name; the last three also change the shape or the memory of their operand.
    assert missing == {
        "fill_diagonal_",
        "polygamma_",
        "as_strided_",
        "resize_",
        "resize_as_",
        "set_",
        "requires_grad_",
    }
