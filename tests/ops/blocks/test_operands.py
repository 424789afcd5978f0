"""Operands beside numbers: the tensor among them, and what Keras is given."""

from __future__ import annotations

import pytest
import torch

from recorded import record, weight_of
from torch2keras.ops.blocks.operands import (
    add_bias,
    as_keras_axes,
    as_keras_axis,
    fill_float,
    fill_number,
    find_tensor,
    reduction_axis,
    reshape_along,
    split_bias,
    to_comparable,
    to_int32,
    to_number,
    to_sum_dtype,
)

FLOATS = torch.tensor([0.5, -2.0, 7.0])
INTEGERS = torch.tensor([3, -5, 7], dtype=torch.int32)
BOOLS = torch.tensor([True, False, True])


def test_the_first_tensor_is_found_beside_numbers() -> None:
    weight = weight_of(FLOATS)
    assert find_tensor(2, weight) is weight
    assert find_tensor(weight, 2.5) is weight


def test_a_number_fills_a_tensor_in_its_type() -> None:
    assert record(lambda x: fill_number(3, x), INTEGERS).result.tolist() == [3, 3, 3]
    assert record(lambda x: fill_number(3, x), INTEGERS).result.dtype is torch.int32
    assert record(lambda x: fill_number(x, x), FLOATS).targets == []


def test_a_number_fills_a_float() -> None:
    assert record(lambda x: fill_float(3, x), FLOATS).result.tolist() == [3.0, 3.0, 3.0]
    held = record(lambda x: fill_float(weight_of(INTEGERS), x), FLOATS)
    assert held.result.tolist() == INTEGERS.tolist()


@pytest.mark.parametrize(
    ("shape", "dim", "axis"),
    [((), 0, None), ((), -1, None), ((3, 5), (), None), ((3, 5), 1, 1), ((3, 5), (0, 1), (0, 1))],
)
def test_the_axis_of_a_reduction(shape, dim, axis) -> None:
    assert reduction_axis(weight_of(torch.zeros(shape)), dim) == axis


@pytest.mark.parametrize(
    ("x", "dtype", "expected"),
    [
        (FLOATS, None, torch.float32),
        (INTEGERS, None, torch.int64),
        (BOOLS, None, torch.int64),
        (INTEGERS, torch.float64, torch.float64),
        (FLOATS, torch.float16, torch.float16),
    ],
)
def test_the_type_of_a_sum_is_pytorchs(x, dtype, expected) -> None:
    assert x.sum(dtype=dtype).dtype is expected
    assert record(lambda x: to_sum_dtype(x, dtype), x).result.dtype is expected


def test_bools_are_compared_as_numbers() -> None:
    assert record(to_comparable, BOOLS).result.tolist() == [1, 0, 1]
    assert record(to_comparable, BOOLS).result.dtype is torch.int32
    assert record(to_comparable, FLOATS).targets == []


def test_bools_of_python_are_numbers() -> None:
    assert [type(to_number(x)) for x in (True, 2, 0.5)] == [int, int, float]
    assert (to_int32(True), to_int32(7)) == (1, 7)
    assert record(to_int32, torch.tensor([3, -5], dtype=torch.int8)).result.tolist() == [3, -5]


# axes, number of dimensions, the resulting shape of a vector (3,) or matrix (3, 5)
PLACES = [
    ((0,), 1, (3,)),
    ((1,), 3, (1, 3, 1)),
    ((3,), 4, (1, 1, 1, 3)),
    ((0, 2), 3, (3, 1, 5)),
    ((2, 0), 3, (3, 1, 5)),
    ((0, 1), 2, (3, 5)),
]


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(("axes", "ndim", "shape"), PLACES)
def test_own_dimensions_stand_at_axes(axes, ndim, shape, *, constant: bool) -> None:
    x = torch.arange(15.0).reshape(3, 5)[(slice(None),) * len(axes) + (0,) * (2 - len(axes))]
    if constant:
        found = record(lambda _: reshape_along(weight_of(x), axes, ndim), x)
    else:
        found = record(lambda x: reshape_along(x, axes, ndim), x)
        assert found.targets == (["ops.expand_dims"] if ndim > len(axes) else [])
    assert torch.equal(found.result, x.reshape(shape))


def test_a_dynamic_dimension_stays() -> None:
    found = record(lambda x: reshape_along(x, (1,), 3), torch.arange(3.0), dynamic=(0,))
    assert found.shapes == [(1, None, 1)]
    assert found.result.shape == (1, 3, 1)


@pytest.mark.parametrize(
    ("axis", "ndim", "expected"), [(2, 3, -1), (1, 3, 1), (0, 1, -1), (0, 2, 0)]
)
def test_the_last_axis_is_minus_one(axis: int, ndim: int, expected: int) -> None:
    assert as_keras_axis(axis, ndim) == expected


@pytest.mark.parametrize(
    ("axes", "expected"), [([3], -1), ([1], 1), ([2, 1], [1, 2]), ((1, 2, 3), [1, 2, 3])]
)
def test_several_axes_are_an_ordered_list(axes, expected) -> None:
    assert as_keras_axes(axes, 4) == expected


ROWS, BIAS = torch.randn(2, 3), torch.randn(3)


def test_a_layer_holds_a_bias_that_is_known() -> None:
    bias = weight_of(BIAS, trainable=True)
    assert split_bias(bias) == (bias, None)
    assert split_bias(None) == (None, None)


def test_a_bias_that_the_model_computes_is_added() -> None:
    def add(x, bias):
        held, added = split_bias(bias)
        assert held is None
        return add_bias(x, added)

    found = record(add, ROWS, BIAS)
    assert torch.equal(found.result, ROWS + BIAS)


def test_without_a_bias_nothing_is_recorded() -> None:
    assert record(lambda x: add_bias(x, None), ROWS).targets == []
