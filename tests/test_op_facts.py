"""What the table says of each op is true of it on numbers that tell all elements apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._ops import OpOverload

from torch2keras.op_facts import (
    KEEPS_EACH_ONCE,
    KIND_OF,
    LINEAR,
    MOVES_ELEMENTS,
    OPS,
    RENAMES_AXES,
    OpKind,
    count_tensors,
    draws_random_numbers,
    kind_of,
    ops_of,
)

aten = torch.ops.aten
SHAPE = (2, 3, 5)
TENSORS = torch.arange(1.0, 61.0).reshape(2, *SHAPE)
FLAGS = torch.tensor([[[True], [False], [True]]])
PLACES = torch.tensor([2, 0, 2])

# the arguments beside the first tensor, by the name of the op; none for what is not here
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "view": ((5, 6),),
    "reshape": ((5, 6),),
    "_unsafe_view": ((5, 6),),
    "_reshape_alias": ((5, 6), (6, 1)),
    "view_as": (torch.empty(5, 6),),
    "reshape_as": (torch.empty(5, 6),),
    "flatten.using_ints": (1,),
    "unflatten.int": (2, (5, 1)),
    "squeeze.dim": (0,),
    "squeeze.dims": ((0, 1),),
    "unsqueeze": (1,),
    "permute": ((2, 0, 1),),
    "transpose.int": (0, 2),
    "movedim.int": (0, 2),
    "movedim.intlist": ((0, 1), (2, 0)),
    "moveaxis.int": (0, 2),
    "moveaxis.intlist": ((0, 1), (2, 0)),
    "swapaxes": (0, 1),
    "swapdims": (0, 1),
    "expand": ((7, 2, 3, 5),),
    "expand_as": (torch.empty(7, 2, 3, 5),),
    "broadcast_to": ((7, 2, 3, 5),),
    "flip": ((0, 2),),
    "roll": ([2],),
    "slice.Tensor": (2, 1, 4, 2),
    "select.int": (1, 2),
    "narrow": (2, 1, 3),
    "split.Tensor": (2, 2),
    "split_with_sizes": ((2, 3), 2),
    "chunk": (3, 2),
    "index.Tensor": ([None, PLACES],),
    "index_select": (1, PLACES),
    "gather": (1, PLACES.expand(2, 5, 3).mT),
    "take_along_dim": (PLACES.expand(2, 5, 3).mT, 1),
    "repeat": ((2, 1, 3),),
    "repeat_interleave.self_int": (2, 1),
    "unfold": (2, 3, 1),
    "tril": (-1,),
    "to.dtype": (torch.float64,),
    "to.dtype_layout": (),
    "to.device": ("cpu", torch.float64),
    "to.other": (torch.empty(1, dtype=torch.float64),),
    "type_as": (torch.empty(1, dtype=torch.float64),),
    "new_zeros": (SHAPE,),
    "full_like": (0.3,),
    "new_full": (SHAPE, 0.3),
    "sum.dim_IntList": ((0, 2),),
    "mean.dim": ((1,),),
    "cumsum": (1,),
    "constant_pad_nd": ((1, 2),),
    "pad": ((1, 2),),
}
FLAT = {"t", "numpy_T", "matrix_H"}
"""Ops of matrices."""

SPECIAL: dict[OpOverload, Callable[[torch.Tensor], Any]] = {
    aten.broadcast_tensors.default: lambda x: aten.broadcast_tensors.default([x]),
    aten.cat.default: lambda x: aten.cat.default([x, x], 1),
    aten.stack.default: lambda x: aten.stack.default([x, x], 1),
    aten.where.self: lambda x: aten.where.self(FLAGS, x, 2 * x),
    aten.masked_fill.Scalar: lambda x: aten.masked_fill.Scalar(x, FLAGS, 0.0),
    aten.masked_fill.Tensor: lambda x: aten.masked_fill.Tensor(x, FLAGS, x[0, 0, 0]),
    aten.select_scatter.default: lambda x: aten.select_scatter.default(x, 2 * x[:, 0], 1, 2),
    aten.slice_scatter.default: lambda x: aten.slice_scatter.default(x, 2 * x[:, :1], 1, 2, 3),
    aten.index_put.default: lambda x: aten.index_put.default(x, [PLACES[1:2]], x[:1] * 3),
    aten.add.Tensor: lambda x: aten.add.Tensor(x, x.flip(0), alpha=3),
    aten.add.Scalar: lambda x: aten.add.Scalar(x, x[0, 0, 0].item()),
    aten.sub.Tensor: lambda x: aten.sub.Tensor(x, x.flip(0), alpha=3),
    aten.sub.Scalar: lambda x: aten.sub.Scalar(x, x[0, 0, 0].item()),
    aten.rsub.Tensor: lambda x: aten.rsub.Tensor(x, x.flip(0), alpha=3),
    aten.rsub.Scalar: lambda x: aten.rsub.Scalar(x, x[0, 0, 0].item()),
    aten.zeros.default: lambda x: aten.zeros.default(x.shape),
    aten.full.default: lambda x: aten.full.default(x.shape, x[0, 0, 0].item()),
    aten.full_like.default: lambda x: aten.full_like.default(x, x[0, 0, 0].item()),
    aten.new_full.default: lambda x: aten.new_full.default(x, x.shape, x[0, 0, 0].item()),
    aten.scalar_tensor.default: lambda x: aten.scalar_tensor.default(x[0, 0, 0].item()),
    aten.fill.Scalar: lambda x: aten.fill.Scalar(x, x[0, 0, 0].item()),
}


def short_name(op: OpOverload) -> str:
    return str(op).removeprefix("aten.").removesuffix(".default")


def call(op: OpOverload, x: torch.Tensor) -> list[torch.Tensor]:
    """The results of an op on one tensor, with the arguments of the table."""
    name = short_name(op)
    x = x[0] if name in FLAT else x
    if op in SPECIAL:
        result = SPECIAL[op](x)
    elif op is aten._to_copy.default:
        result = op(x, dtype=torch.float64)
    else:
        result = op(x, *ARGUMENTS.get(name, ()))
    return list(result) if isinstance(result, list | tuple) else [result]


def cases(*kinds: OpKind) -> Any:
    return pytest.mark.parametrize("op", sorted(ops_of(*kinds), key=str), ids=short_name)


@cases(*MOVES_ELEMENTS)
def test_no_other_elements_than_the_operands(op) -> None:
    x = TENSORS[0]
    for result in call(op, x):
        assert torch.isin(result, x).all()


@cases(*KEEPS_EACH_ONCE)
def test_no_element_twice(op) -> None:
    for result in call(op, TENSORS[0]):
        assert len(result.unique()) == result.numel() > 0


@cases(OpKind.REGROUPS)
def test_regrouped_elements_are_in_row_major_order(op) -> None:
    (result,) = call(op, TENSORS[0])
    assert torch.equal(result.flatten(), TENSORS[0].flatten())


@cases(OpKind.PERMUTES, OpKind.ADJOINS)
def test_a_permutation_moves_strides(op) -> None:
    x = TENSORS[0, 0] if short_name(op) in FLAT else TENSORS[0]
    (result,) = call(op, TENSORS[0])
    order = [x.stride().index(stride) for stride in result.stride()]
    assert sorted(order) == list(range(x.ndim)) != order
    assert torch.equal(result, x.permute(order))


@cases(OpKind.ADJOINS)
def test_an_adjoint_conjugates(op) -> None:
    z = torch.complex(TENSORS[0], TENSORS[1])
    z = z[0] if short_name(op) in FLAT else z
    assert torch.equal(op(z).resolve_conj(), z.mT.conj().resolve_conj())


@cases(OpKind.COPIES, OpKind.DETACHES)
def test_a_copy_is_equal(op) -> None:
    (result,) = call(op, TENSORS[0])
    assert torch.equal(result, TENSORS[0])


def test_only_a_detached_value_has_no_gradient() -> None:
    x = TENSORS[0].clone().requires_grad_()
    assert [op(x).requires_grad for op in ops_of(OpKind.DETACHES)] == [False]
    assert aten.clone.default(x).requires_grad


@cases(*LINEAR)
def test_a_linear_op_gives_of_a_sum_the_sum(op) -> None:
    a, b = TENSORS
    for whole, left, right in zip(call(op, 3 * a + b), call(op, a), call(op, b), strict=True):
        torch.testing.assert_close(whole, 3 * left + right)


FACTORS = {
    "mul.Tensor": (TENSORS, TENSORS.flip(1)),
    "mul.Scalar": (TENSORS, (7, 11)),
    "matmul": (TENSORS, TENSORS.mT),
    "bmm": (TENSORS, TENSORS.mT),
    "mm": (TENSORS[:, 0], TENSORS[:, 0].mT),
    "mv": (TENSORS[:, 0], TENSORS[:, 0, 0]),
    "dot": (TENSORS[:, 0, 0], TENSORS[:, 0, 1]),
    "outer": (TENSORS[:, 0, 0], TENSORS[:, 0, 1]),
}
"""Two first and two second operands of each product."""


@cases(OpKind.MULTIPLIES)
def test_a_product_is_linear_in_each_operand(op) -> None:
    (a, b), (c, d) = FACTORS[short_name(op)]
    torch.testing.assert_close(op(3 * a + b, c), 3 * op(a, c) + op(b, c))
    torch.testing.assert_close(op(a, 3 * c + d), 3 * op(a, c) + op(a, d))


@cases(OpKind.CASTS)
def test_a_cast_changes_the_dtype_alone(op) -> None:
    if op is aten.to.dtype_layout:
        result = op(TENSORS[0], dtype=torch.float64)
    else:
        (result,) = call(op, TENSORS[0])
    assert result.dtype is torch.float64
    assert torch.equal(result.float(), TENSORS[0])


@cases(OpKind.ZEROS)
def test_zeros(op) -> None:
    (result,) = call(op, TENSORS[0])
    assert not result.count_nonzero()


@cases(OpKind.FILLS)
def test_the_number_is_called_fill_value(op) -> None:
    assert "fill_value" in [argument.name for argument in op._schema.arguments]
    (result,) = call(op, TENSORS[0])
    assert (result == 1).all()


def test_an_op_has_one_kind() -> None:
    assert len(KIND_OF) == sum(map(len, OPS.values()))
    assert kind_of(aten.relu.default) is kind_of("placeholder") is None
    assert kind_of(aten.t.default) is OpKind.PERMUTES
    assert set(OPS) == set(OpKind)
    assert set(RENAMES_AXES) < set(MOVES_ELEMENTS) < set(LINEAR)


@pytest.mark.parametrize(
    ("op", "number"),
    [
        (aten.view.default, 1),
        (aten.view_as.default, 2),
        (aten.cat.default, 1),
        (aten.zeros.default, 0),
        (aten.linear.default, 3),
    ],
)
def test_tensors_of_a_schema(op, number) -> None:
    assert count_tensors(op) == number


def test_random_ops_draw_numbers() -> None:
    assert draws_random_numbers(aten.bernoulli.default)
    assert draws_random_numbers(aten.rand_like.default)
    assert not draws_random_numbers(aten.rot90.default)
