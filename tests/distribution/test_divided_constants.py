"""Which dimension of a variable is one of the module's tensor, and what scatters it."""

from __future__ import annotations

import pytest
import torch

from torch2keras.distribution.divided_constants import (
    DividedConstants,
    locate_parts,
    number_parts,
)
from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.weight import Weight


def make_constant(*shape: int) -> Constant:
    return Constant("w", TensorType(shape, torch.float32), torch.zeros(shape))


@pytest.mark.parametrize("dim", [0, 1])
def test_parts_are_numbered_along_one_dimension(dim: int) -> None:
    numbers = number_parts(make_constant(4, 6), dim, 2)
    assert numbers.shape == (4, 6)
    half = (2, 3)[dim]
    assert set(numbers.narrow(dim, 0, half).flatten().tolist()) == {0}
    assert set(numbers.narrow(dim, half, half).flatten().tolist()) == {1}


def test_numbers_of_a_large_weight_take_no_memory() -> None:
    numbers = number_parts(make_constant(512, 8), 1, 4)
    assert numbers.untyped_storage().nbytes() == 8


def test_more_parts_than_a_byte_numbers() -> None:
    assert int(number_parts(make_constant(512), 0, 512)[-1]) == 511


def test_a_transposed_kernel_is_divided_in_its_other_dimension() -> None:
    constant = make_constant(8, 6)
    weight = Weight.of(constant).transpose(1, 0)
    constants = DividedConstants([weight], 2)
    found = constants.find_dims(constant)
    assert {dim: divided.places[weight] for dim, divided in found.items()} == {0: 1, 1: 0}
    assert all(divided.keeps_order for divided in found.values())


def test_heads_have_a_dimension_of_their_own() -> None:
    constant = make_constant(8, 6)
    weight = Weight.of(constant).transpose(1, 0).reshape(6, 4, 2)
    found = DividedConstants([weight], 4).find_dims(constant)
    assert {dim: divided.places[weight] for dim, divided in found.items()} == {0: 1}


def test_gates_in_another_order_are_one_dimension_that_does_not_ascend() -> None:
    constant = make_constant(4, 3)
    weight = Weight.of(constant).take(0, (2, 3, 0, 1)).transpose(1, 0)
    (divided,) = DividedConstants([weight], 2).find_dims(constant).values()
    assert divided.places[weight] == 1
    assert not divided.keeps_order


def test_parts_that_a_reshape_scatters_are_out_of_order() -> None:
    constant = make_constant(4, 3)
    flat = DividedConstants([Weight.of(constant).reshape(12)], 4).find_dims(constant)
    assert flat[0].keeps_order
    moved = DividedConstants([Weight.of(constant).transpose(1, 0).reshape(12)], 4)
    assert not moved.find_dims(constant)[0].keeps_order


def test_all_variables_of_a_tensor_are_divided_in_order_or_none_is() -> None:
    constant = make_constant(4, 4)
    weight = Weight.of(constant)
    scattered = weight.transpose(1, 0).reshape(16)
    both = DividedConstants([weight, scattered], 4).find_dims(constant)
    assert {dim: divided.keeps_order for dim, divided in both.items()} == {0: False, 1: True}
    mixed = weight.reshape(2, 2, 4)
    assert set(DividedConstants([weight, mixed], 4).find_dims(constant)) == {1}


@pytest.mark.parametrize("parts", [1, 3])
def test_nothing_is_divided_by_one_or_by_what_does_not_divide(parts: int) -> None:
    constant = make_constant(4, 8)
    assert DividedConstants([Weight.of(constant)], parts).find_dims(constant) == {}


def test_a_constant_without_a_variable_is_not_divided() -> None:
    assert DividedConstants([], 2).find_dims(make_constant(4, 4)) == {}


def test_numbers_that_change_along_two_dimensions_have_no_place() -> None:
    assert locate_parts(torch.tensor([[0, 1], [1, 0]]), 2) is None
    assert locate_parts(torch.tensor([[0, 1], [0, 1]]), 2) == (1, True)
    assert locate_parts(torch.tensor([[1, 1], [0, 0]]), 2) == (0, False)
