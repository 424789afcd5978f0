"""Arrays of every framework become NumPy arrays of the same values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
import torch

from torch2keras.runtime.arrays import as_real, to_numpy

VALUES = np.array([[1.5, -2.25, 3.0], [0.0, 2.0**-120, -(2.0**100)]])
"""Exact in float32 and bfloat16."""

SOURCES: dict[str, Callable[[str], Any]] = {
    "PyTorch": lambda dtype: torch.tensor(VALUES, dtype=getattr(torch, dtype)),
    "PyTorch with gradient": lambda dtype: torch.tensor(
        VALUES, dtype=getattr(torch, dtype), requires_grad=True
    ),
    "Keras variable": lambda dtype: keras.Variable(VALUES, dtype=dtype),
    "Keras tensor": lambda dtype: keras.ops.convert_to_tensor(VALUES, dtype=dtype),
    "NumPy": lambda dtype: VALUES.astype(getattr(ml_dtypes, dtype, dtype)),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_floating_values_are_kept_exactly(source: str, dtype: str) -> None:
    array = to_numpy(SOURCES[source](dtype))
    assert type(array) is np.ndarray
    assert array.dtype == ("float64" if dtype == "float64" else "float32")
    np.testing.assert_array_equal(array, VALUES)


@pytest.mark.parametrize("dtype", ["float16", "int64", "uint8", "bool", "complex64"])
def test_other_dtypes_stay(dtype: str) -> None:
    values = np.array([3, 0, 7]).astype(dtype)
    for array in (torch.from_numpy(values), keras.ops.convert_to_tensor(values), values):
        found = to_numpy(array)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, values)


def test_lazy_conjugates_and_negatives_are_worked_out() -> None:
    z = torch.tensor([1 + 2j, 3 - 5j])
    np.testing.assert_array_equal(to_numpy(z.conj()), [1 - 2j, 3 + 5j])
    np.testing.assert_array_equal(to_numpy(z.conj().imag), [-2, 5])


def test_views_keep_their_order() -> None:
    x = torch.arange(2 * 3 * 5).reshape(2, 3, 5)
    np.testing.assert_array_equal(to_numpy(x.permute(2, 0, 1)), x.numpy().transpose(2, 0, 1))


def test_complex_numbers_are_pairs() -> None:
    z = np.array([[1 + 2j, 3 - 5j, 7j]], "complex64")
    pairs = as_real(z)
    assert pairs.dtype == "float32"
    np.testing.assert_array_equal(pairs, torch.view_as_real(torch.from_numpy(z)).numpy())
    assert as_real(pairs) is pairs
