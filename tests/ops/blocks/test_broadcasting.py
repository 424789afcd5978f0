"""Vectors beside larger tensors: where their dimensions stand, of values and of constants."""

from __future__ import annotations

import pytest
import torch

from recorded import record, weight_of
from torch2keras.ops.blocks.broadcasting import reshape_along

# axes, number of dimensions, the resulting shape of a vector (3,) or matrix (3, 5)
CASES = [
    ((0,), 1, (3,)),
    ((1,), 3, (1, 3, 1)),
    ((3,), 4, (1, 1, 1, 3)),
    ((0, 2), 3, (3, 1, 5)),
    ((2, 0), 3, (3, 1, 5)),
    ((0, 1), 2, (3, 5)),
]


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(("axes", "ndim", "shape"), CASES)
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
