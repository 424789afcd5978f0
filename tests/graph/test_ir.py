"""The typed graph: values, nodes and what a pass asks of them."""

from __future__ import annotations

import pytest
import sympy
import torch

from torch2keras.graph.element_moves import Permute, Reshape
from torch2keras.graph.ir import (
    Constant,
    Graph,
    Node,
    Origin,
    TensorType,
    Value,
    argument_leaves,
    broadcast_shape,
    keras_dtype,
    map_values,
)

aten = torch.ops.aten
N = sympy.Symbol("n", integer=True, positive=True)


def value(name: str, *shape, dtype: torch.dtype = torch.float32) -> Value:
    return Value(name, TensorType(shape, dtype))


def graph(*nodes: Node, inputs=(), outputs=()) -> Graph:
    spec = torch.utils._pytree.tree_structure(list(outputs))
    return Graph(tuple(inputs), nodes, tuple(outputs), spec, {N: 5})


@pytest.mark.parametrize(
    ("dtype", "keras", "text"),
    [
        (torch.float32, "float32", "x f32[2, n]"),
        (torch.bfloat16, "bfloat16", "x bf16[2, n]"),
        (torch.bool, "bool", "x bool[2, n]"),
        (torch.complex64, "complex64", "x complex64[2, n]"),
    ],
)
def test_types_read_short(dtype: torch.dtype, keras: str, text: str) -> None:
    assert keras_dtype(dtype) == keras
    assert str(value("x", 2, N, dtype=dtype)) == text


def test_operands_are_flat_and_in_order() -> None:
    a, b, c = value("a", 3), value("b", 3), value("c", 3)
    node = Node(aten.cat.default, {"tensors": (a, b, a), "dim": 0, "other": None}, (c,))
    assert node.operands == (a, b, a)
    swapped = node.replace_values(lambda v: c if v is a else v)
    assert swapped.operands == (c, b, c)
    assert node.operands == (a, b, a)


@pytest.mark.parametrize(
    ("shapes", "together"),
    [
        ([(2, 3), (3,)], (2, 3)),
        ([(2, 1, 5), (7, 1)], (2, 7, 5)),
        ([(N, 1), (1, 3)], (N, 3)),
        ([(1, 1), (1,)], (1, 1)),
        ([(), (3,)], (3,)),
    ],
)
def test_shapes_broadcast_as_in_pytorch(shapes, together) -> None:
    assert broadcast_shape(shapes) == together


def test_a_constant_is_its_tensor_moved() -> None:
    tensor = torch.arange(6.0).reshape(2, 3)
    moves = (Permute((1, 0)), Reshape((6,)))
    constant = Constant("w", TensorType((6,), torch.float32), tensor, moves=moves)
    assert torch.equal(constant.data, tensor.T.reshape(6))


def test_sizes_measured_in_the_example() -> None:
    made = graph()
    assert made.hint(7) == 7
    assert made.hint(2 * N + 1) == 11
    assert made.hint(sympy.Symbol("u0")) == 1


def test_who_reads_what_and_what_comes_out() -> None:
    x, y, z = value("x", 3), value("y", 3), value("z", 3)
    first = Node(aten.relu.default, {"self": x}, (y,))
    second = Node(aten.add.Tensor, {"self": y, "other": x, "alpha": 1}, (z,))
    made = graph(first, second, inputs=[x], outputs=[z, 3, None])
    assert made.uses() == {x: [first, second], y: [second]}
    assert list(made.output_values()) == [z]


def test_arguments_are_walked_and_mapped() -> None:
    a, b = value("a", 3), value("b", 3)
    assert list(argument_leaves((a, None, 3))) == [a, None, 3]
    assert list(argument_leaves("same")) == ["same"]
    assert map_values(((a, 3), a), lambda _: b) == ((b, 3), b)


@pytest.mark.parametrize(
    ("origin", "rows"),
    [
        (Origin(), [("module", ""), ("source", "")]),
        (
            Origin("a.b", "Net", "net.py:3", "y = x"),
            [("module", "a.b (Net)"), ("source", "net.py:3    y = x")],
        ),
        (Origin("", "Net"), [("module", "(the module itself) (Net)"), ("source", "")]),
    ],
)
def test_rows_of_an_origin(origin: Origin, rows) -> None:
    assert origin.rows() == rows
