from __future__ import annotations

import pytest

from torch2keras.ops.blocks.axes import as_keras_axes, as_keras_axis


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
