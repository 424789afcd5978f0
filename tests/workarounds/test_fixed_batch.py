"""A fixed first dimension is checked, which Keras by itself does not."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

import torch2keras as t2k
from op_case import Function
from torch2keras.workarounds.fixed_batch import check_fixed_batch


def sum_of_input(*shape: int | None) -> keras.Model:
    x = keras.Input(batch_shape=shape, name="x")
    return keras.Model(x, keras.ops.cumsum(x, axis=0))


def test_keras_still_takes_another_batch() -> None:
    """Where this fails, Keras checks the batch, and the workaround can go."""
    assert sum_of_input(5, 3)(np.ones((7, 3), "float32")).shape == (7, 3)


def test_a_model_refuses_another_batch() -> None:
    model = sum_of_input(5, 3)
    check_fixed_batch(model, {"x": (5, 3)})
    assert model(np.ones((5, 3), "float32")).shape == (5, 3)
    with pytest.raises(ValueError, match=r"expected shape=\(5, 3\), found shape=\(7, 3\)"):
        model(np.ones((7, 3), "float32"))


def test_a_model_of_any_batch_stays_as_it_is() -> None:
    model = sum_of_input(None, 3)
    before = model.input_spec
    check_fixed_batch(model, {"x": (None, 3)})
    assert model(np.ones((7, 3), "float32")).shape == (7, 3)
    assert repr(model.input_spec) == repr(before)


@pytest.mark.parametrize("shape", [(5, 3), (5,), (1,), (5, 1)])
def test_a_converted_model_refuses_another_batch(shape: tuple[int, ...]) -> None:
    """`cumsum` along it takes any size in Keras; what was captured does not."""
    module, other = Function(lambda x: x.flip(0).cumsum(0)), np.ones((7, *shape[1:]), "float32")
    model = t2k.convert(module, torch.randn(shape), dynamic_shapes=({0: None},)).model
    assert model(np.ones(shape, "float32")).shape == shape
    with pytest.raises(ValueError, match=r"expected shape=.*found shape="):
        model(other)
    with pytest.raises(ValueError, match=r"expected shape=.*found shape="):
        model.predict(other, verbose=0)
