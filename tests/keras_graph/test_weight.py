"""A constant as a layer holds it: shapes and values that move alike, its key, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from torch2keras.graph.element_moves import Permute
from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.weight import Weight

X = torch.arange(30).reshape(2, 3, 5)


def weight_of(data: torch.Tensor, dtype: torch.dtype | None = None, **more) -> Weight:
    return Weight.of(
        Constant("w", TensorType(tuple(data.shape), dtype or data.dtype), data, **more)
    )


def test_moves_in_a_row_move_shape_and_values_alike() -> None:
    moved = weight_of(X).transpose(2, 1, 0).reshape(5, -1).narrow(0, 1, 4).flip(0)
    expected = X.permute(2, 1, 0).reshape(5, 6)[1:4].flip(0)
    assert moved.shape == tuple(expected.shape)
    assert torch.equal(moved.values(), expected)


def test_equal_moves_of_one_tensor_have_one_key() -> None:
    weight = weight_of(X)
    assert weight.transpose(2, 0, 1).key == weight.transpose(2, 0, 1).key
    assert weight.reshape(6, -1).key == weight.reshape(6, 5).key
    assert weight.transpose(2, 0, 1).key != weight.key
    assert weight_of(X.clone()).key != weight.key


def test_numbers_tell_where_each_element_comes_from() -> None:
    data = torch.randn(2, 3, 5)
    constant = Constant("w", TensorType((5, 2, 3), data.dtype), data, moves=(Permute((2, 0, 1)),))
    weight = Weight.of(constant).flip(1).reshape(10, 3)
    assert torch.equal(weight.values(), data.permute(2, 0, 1).flip(1).reshape(10, 3))
    assert torch.equal(data.flatten()[weight.numbers()], weight.values())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_an_array_has_the_dtype_that_it_is_asked_for(dtype: str) -> None:
    array = weight_of(X).transpose(1, 0, 2).array(dtype)
    assert array.dtype == np.dtype(dtype)
    assert array.flags.c_contiguous
    assert np.array_equal(array, X.permute(1, 0, 2).numpy())


@pytest.mark.parametrize(("dim", "step"), [(0, 2), (0, 3), (1, 1), (1, 7), (1, 50)])
def test_the_parts_of_an_array_are_the_array(dim: int, step: int) -> None:
    weight = weight_of(X).transpose(2, 0, 1).reshape(X.shape[2], -1)
    parts = list(weight.array_parts(dim, step, "float64"))
    assert all(part.dtype == np.float64 and part.flags.c_contiguous for part in parts)
    assert max(part.shape[dim] for part in parts) <= step
    assert np.array_equal(np.concatenate(parts, dim), weight.array("float64"))


def test_an_array_of_a_matrix_is_a_copy() -> None:
    matrix = torch.randn(3, 5)
    for weight in (weight_of(matrix), weight_of(matrix).transpose(1, 0)):
        weight.array("float32")[:] = 0
    assert matrix.all()


def test_numpy_has_no_bfloat16_so_that_it_comes_as_float32() -> None:
    weight = weight_of(torch.tensor([0.1, 2.0], dtype=torch.bfloat16))
    assert weight.dtype == "bfloat16"
    assert weight.array("bfloat16").tolist() == torch.tensor([0.1, 2.0]).bfloat16().tolist()
    assert weight.array("bfloat16").dtype == np.float32


def test_what_is_known_in_float64_is_rounded_once() -> None:
    third = torch.tensor([1 / 3], dtype=torch.float64)
    weight = weight_of(third, torch.float32)
    assert weight.dtype == "float32"
    assert weight.array("float64")[0] == 1 / 3
    assert weight.array("float32")[0] == np.float32(1 / 3)


def test_a_parameter_is_trainable() -> None:
    assert weight_of(X.float(), trainable=True).trainable
    assert not weight_of(X).trainable
