"""A row without a docstring says which Keras functions it calls: those that are recorded."""

from __future__ import annotations

import pytest
import torch

from torch2keras.declarations.registry import Lowering
from torch2keras.lower.recorder import layers, ops
from torch2keras.reporting.recorded_calls import describe_calls

aten = torch.ops.aten

# op, row, what is said of it
ROWS = [
    (aten.frac.default, lambda x: x - ops.trunc(x), "keras.ops.trunc, keras.ops.subtract"),
    (aten.exp.default, lambda x: ops.exp(ops.exp(x)), "keras.ops.exp"),
    (
        aten.relu6.default,
        lambda x: layers.ReLU(max_value=6.0)(x),
        "keras.layers.ReLU(max_value=6.0)",
    ),
    (
        aten.abs.default,
        lambda x: x if x.dtype == "bool" else ops.abs(x),
        "keras.ops.abs; of bools nothing",
    ),
    (
        aten.floor.default,
        lambda x: ops.floor(x) if "float" in x.dtype else x,
        "keras.ops.floor; of integers and bools nothing",
    ),
    (
        aten.sub.Tensor,
        lambda x, other, alpha=1: ops.subtract(
            x, other if alpha == 1 else ops.multiply(other, alpha)
        ),
        "keras.ops.subtract",
    ),
    (
        aten.threshold.default,
        lambda x, threshold, value: ops.where(ops.less_equal(x, threshold), value, x),
        "keras.ops.less_equal, keras.ops.where",
    ),
]


@pytest.mark.parametrize(("op", "convert", "said"), ROWS)
def test_what_a_row_calls(op, convert, said) -> None:
    assert describe_calls(Lowering(op, convert, "...")) == said
