"""What stock Keras cannot say: the reasons for refusals.

A Keras that passes over one of these limits fails here.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import torch

import torch2keras as t2k
from op_case import Function

X = np.zeros((2, 5), "float32")


def test_predict_turns_random_layers_off() -> None:
    x = keras.Input((5,))
    model = keras.Model(x, keras.layers.GaussianNoise(1.0)(x, training=True))
    assert np.asarray(model(X)).any()
    assert not model.predict(X, verbose=0).any()


def test_random_numbers_are_refused_for_that_reason() -> None:
    with pytest.raises(t2k.UnsupportedOpError, match=r"predict\(\) turns them off") as caught:
        t2k.convert(Function(lambda x: x + torch.randn_like(x)), (torch.randn(2, 5),))
    assert "as an input" in dict(caught.value.rows)["next"]


def test_a_while_loop_cannot_be_saved(tmp_path: Path) -> None:
    x = keras.Input((5,))
    y = keras.ops.while_loop(lambda a: keras.ops.sum(a) < 9, lambda a: (a + 1,), (x,))
    with pytest.raises(NotImplementedError, match="get_config"):
        keras.Model(x, y).save(tmp_path / "net.keras")
