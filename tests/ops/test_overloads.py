"""Overloads that PyTorch's own functions seldom reach; decompositions do."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name

from op_case import Case, check, function

aten = torch.ops.aten


def whole() -> torch.Tensor:
    return torch.randint(0, 5, (2, 3, 11), generator=torch.Generator().manual_seed(0))


CASES: dict[str, Case] = {
    "_to_copy": function(lambda x: aten._to_copy.default(x, dtype=torch.float64) + 1, (2, 3)),
    "3 & x": function(lambda x: aten.bitwise_and.Scalar_Tensor(3, x), whole),
    "3 | x": function(lambda x: aten.bitwise_or.Scalar_Tensor(3, x), whole),
    "3 ^ x": function(lambda x: aten.bitwise_xor.Scalar_Tensor(3, x), whole),
    "x << 2": function(lambda x: aten.bitwise_left_shift.Tensor_Scalar(x, 2), whole),
    "x >> x": function(lambda x: aten.bitwise_right_shift.Tensor(x, x), whole),
    "clamp_max": function(lambda x: aten.clamp_max.default(x, 0.5), (2, 3, 11)),
    "x / 3": function(lambda x: aten.div.Scalar(x, 3), (2, 3, 11)),
    "x / 0.3, truncated": function(
        lambda x: aten.div.Scalar_mode(x, 0.3, rounding_mode="trunc"), (2, 3, 11)
    ),
    "x // 3": function(lambda x: aten.floor_divide.Scalar(x, 3), whole),
    "x - 3": function(lambda x: aten.sub.Scalar(x, 3, 2), (2, 3, 11)),
    "diagonal_copy": function(lambda x: aten.diagonal_copy.default(x, 1, 1, 2), (2, 3, 5)),
    "empty": function(lambda x: torch.zeros_like(aten.empty.memory_format([3, 5])) + x, (2, 3, 5)),
    "std_mean": function(lambda x: aten.std_mean.default(x, True), (2, 3, 11)),
    "std_mean of a dimension": function(
        lambda x, w: torch.std_mean(F.conv1d(x, w), 1), (2, 3, 11), (5, 3, 3)
    ),
    "var": function(lambda x: aten.var.default(x, False), (2, 3, 11)),
    "var_mean": function(lambda x: aten.var_mean.default(x, False), (2, 3, 11)),
    "unsafe_split": function(
        lambda x, w: aten.unsafe_split.Tensor(F.conv1d(x, w), 2, 1),
        (2, 3, 11),
        lambda: torch.randn(5, 3, 3),
    ),
    "unsafe_split_with_sizes": function(
        lambda x: aten.unsafe_split_with_sizes.default(x.mT, [4, 7], 1), (2, 3, 11)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_overload(name: str) -> None:
    check(CASES[name])
