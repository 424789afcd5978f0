"""Axes of a value are numbered through its dimensions; labels say which are the same in an op."""

from __future__ import annotations

import sympy
import torch

from torch2keras.declarations.labels import AxisLabel, Label
from torch2keras.graph.ir import TensorType, Value
from torch2keras.layout.axes import AxisSpace, Terms, is_one

N = sympy.Symbol("n", integer=True, positive=True)
VALUE = Value("x", TensorType((N, 15, 1, 4), torch.float32))
SPACE = AxisSpace({VALUE: ((N,), (3, 5), (1,), (2, 2))}, {})


def test_axes_are_numbered_through_all_dimensions() -> None:
    assert SPACE.sizes(VALUE) == (N, 3, 5, 1, 2, 2)
    assert SPACE.dim_of(VALUE) == (0, 1, 1, 2, 3, 3)
    assert SPACE.solid(VALUE) == (0, 1, 2, 4, 5)


def test_one_is_a_number() -> None:
    assert is_one(1)
    assert not is_one(2)
    assert not is_one(N)


def test_labels_and_axes_of_a_term() -> None:
    a, b, c = (AxisLabel(Label.free(position), 0) for position in range(3))
    terms = Terms(((a, b), (c, b)))
    assert terms.take(0, (1, 0)) == [b, a]
    assert terms.find_axes(0, [b, c, a]) == (1, 0)
    assert terms.find_axes(1, [b, c, a]) == (1, 0)
    assert terms.find_axes(1, [a]) == ()
