"""Functions of pieces: where they meet, and that no piece sees arguments of the other."""

from __future__ import annotations

import math

import pytest
import torch

from recorded import record
from torch2keras.lower.recorder import ops
from torch2keras.ops.blocks.piecewise import extend_from_positive, join_at


def test_the_limit_belongs_to_the_first_piece() -> None:
    x = torch.tensor([-3.0, 2.0, 2.5, 7.0])
    found = record(lambda x: join_at(x, 2.0, lambda v: v * 10.0, lambda v: v + 100.0), x)
    assert found.result.tolist() == [-30.0, 20.0, 102.5, 107.0]


def test_each_piece_is_given_arguments_of_its_side() -> None:
    x = torch.tensor([-3.0, 2.5, 7.0])
    near = record(lambda x: join_at(x, 2.0, lambda v: seen(v, x), lambda v: v), x).result
    far = record(lambda x: join_at(x, 2.0, lambda v: v, lambda v: seen(v, x)), x).result
    assert near.tolist() == [-3.0, 2.5, 7.0]
    assert far.tolist() == [-3.0, 2.5, 7.0]


def seen(argument, x):
    """The argument where it is x itself; an argument beyond the limit would be NaN."""
    return ops.where(ops.equal(argument, x), argument, math.nan)


def test_zero_and_negative_numbers() -> None:
    x = torch.tensor([math.e, 1.0, 0.0, -0.0, -1.0, math.nan, math.inf])
    found = record(lambda x: extend_from_positive(x, -7.0, ops.log), x).result
    assert found[:2].tolist() == pytest.approx([1.0, 0.0])
    assert found[2:4].tolist() == [-7.0, -7.0]
    assert found[4:6].isnan().all()
    assert found[6] == math.inf
