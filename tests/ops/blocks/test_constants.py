from __future__ import annotations

import pytest
import torch

from torch2keras.ops.blocks.constants import as_constant

TENTH = torch.tensor([0.1, 3], dtype=torch.float64)


def test_floats_keep_the_precision_in_which_they_are_known() -> None:
    constant = as_constant(TENTH, "float32")
    assert (constant.dtype, constant.shape) == ("float32", (2,))
    assert constant.values().tolist() == [0.1, 3]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (torch.tensor([[1, -2, 3]]), "int32", [[1, -2, 3]]),
        (torch.tensor([True, False]), "int32", [1, 0]),
        (torch.tensor([0, 2]), "bool", [False, True]),
    ],
)
def test_other_numbers_are_converted(values: torch.Tensor, dtype: str, expected: list) -> None:
    constant = as_constant(values, dtype)
    assert (constant.dtype, constant.shape) == (dtype, tuple(values.shape))
    assert constant.values().tolist() == expected


def test_a_constant_belongs_to_no_parameter() -> None:
    constant = as_constant(torch.arange(3))
    assert not constant.trainable
    assert constant.constant.paths == ()
