"""Orthogonal initial values in bfloat16, and recurrent layers that begin with others."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import torch2keras as t2k


def test_the_fault_is_there() -> None:
    with pytest.raises((TypeError, ValueError, tf.errors.InvalidArgumentError), match="bfloat16"):
        keras.initializers.Orthogonal()((3, 3), dtype="bfloat16")


class Last(nn.Module):
    """The last of what a recurrent layer gives."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)[0]


LAYERS = {
    "LSTM": lambda: nn.LSTM(3, 5, batch_first=True),
    "two ways": lambda: nn.LSTM(3, 5, batch_first=True, bidirectional=True),
    "GRU": lambda: nn.GRU(3, 5, batch_first=True),
    "RNN": lambda: nn.RNN(3, 5, batch_first=True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_recurrent_layers_are_loaded(name: str, tmp_path: Path) -> None:
    module, x = Last(LAYERS[name]()).eval().bfloat16(), torch.randn(2, 7, 3).bfloat16()
    converted = t2k.convert(module, (x,))
    again = keras.saving.load_model(converted.save(tmp_path / "net.keras"))
    given = converted.inputs[0].from_torch(x)
    assert np.array_equal(np.asarray(again(given)), np.asarray(converted.model(given)))
