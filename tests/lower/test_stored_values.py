"""Values are fetched in any storage, and each copy is made once."""

from __future__ import annotations

import pytest
import torch

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Constant, TensorType, Value
from torch2keras.keras_graph.graph import Input
from torch2keras.keras_graph.weight import Weight
from torch2keras.layout.axes import AxisSpace
from torch2keras.lower.recorder import Recorder, Tensor, record_to
from torch2keras.lower.stored_values import StoredValues

DATA = torch.arange(30.0).reshape(2, 3, 5)
X = Value("x", TensorType((2, 3, 5), torch.float32))
W = Constant("w", TensorType((2, 3, 5), torch.float32), DATA)
SPACE = AxisSpace({X: ((2,), (3,), (5,)), W: ((2,), (3,), (5,))}, {})
LAST = ((0,), (2,), (1,))
"""Channels last: the axes 0, 2, 1."""


def recorder_of(*shape: int | None) -> tuple[Recorder, StoredValues]:
    """The recorder, and the values: x alone, stored with its channels last."""
    recorder, values = Recorder((Input("x", shape, "float32"),), "float32"), StoredValues(SPACE)
    values.put(X, recorder.tensors[0], LAST)
    return recorder, values


def test_a_value_in_its_own_storage_is_itself() -> None:
    recorder, values = recorder_of(2, 5, 3)
    with record_to(recorder):
        found = values.fetch(X, LAST)
    assert isinstance(found, Tensor)
    assert (found.index, found.sizes, recorder.calls) == (0, (2, 5, 3), [])


def test_a_copy_in_another_storage_is_made_once() -> None:
    recorder, values = recorder_of(2, 5, 3)
    with record_to(recorder):
        first, second = (values.fetch(X, ((0,), (1,), (2,))) for _ in range(2))
    assert first is second
    assert first.shape == (2, 3, 5)
    assert [call.target for call in recorder.calls] == ["ops.transpose"]


def test_a_constant_is_a_weight_in_any_storage() -> None:
    _, values = recorder_of(2, 5, 3)
    weight = values.fetch(W, ((2,), (0, 1)))
    assert isinstance(weight, Weight)
    assert torch.equal(weight.values(), DATA.permute(2, 0, 1).reshape(5, 6))
    assert values.storage_of(W) is None
    assert values.storage_of(X) == LAST


def test_a_value_in_the_right_order_keeps_its_storage() -> None:
    recorder, values = recorder_of(2, 15)
    values.put(X, recorder.tensors[0], ((0,), (2, 1)))
    with record_to(recorder):
        assert values.fetch_in_order(X, (0, 2, 1)) == values[X]
        other = values.fetch_in_order(X, (0, 1, 2))
    assert (other.storage, other.tensor.shape) == (((0,), (1,), (2,)), (2, 3, 5))


def test_a_constant_in_an_order_is_a_value() -> None:
    recorder, values = recorder_of(2, 5, 3)
    with record_to(recorder):
        stored = values.fetch_in_order(W, (0, 2, 1))
    assert (stored.storage, stored.tensor.shape) == (LAST, (2, 5, 3))
    assert recorder.calls


def test_values_that_are_there_are_measured() -> None:
    _, values = recorder_of(2, 5, 3)
    assert [(tensor.index, shape) for tensor, shape in values.shapes()] == [(0, (2, 5, 3))]
    assert X in values
    assert W not in values


def test_what_keras_cannot_rearrange_is_refused_by_name() -> None:
    recorder, values = recorder_of(2, 7)  # not what the storage says
    with (
        record_to(recorder),
        pytest.raises(LoweringError, match=r"(?s)another order.*x f32\[2, 3, 5\]"),
    ):
        values.fetch(X, ((0,), (1,), (2,)))
