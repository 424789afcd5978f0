"""Losses number by number; test_loss_table.py compares each with PyTorch's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

from torch2keras.training.loss_table import ModelOutput, make_loss
from torch2keras.training.value_losses import TorchValueLoss


def test_bounded_logarithms_have_finite_gradients():
    x = tf.constant([[0.0, 1.0, 0.5]])
    y = np.array([[1.0, 0.0, 1.0]], "float32")
    made = make_loss(nn.BCELoss(reduction="sum"), ModelOutput())
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = made(y, x)
    own = nn.BCELoss(reduction="sum")(torch.from_numpy(x.numpy()), torch.from_numpy(y))
    assert float(total) == pytest.approx(own.item(), rel=1e-6)
    assert np.isfinite(tape.gradient(total, x).numpy()).all()


def test_the_last_dimension_of_targets_may_be_left_out():
    made = TorchValueLoss("MSELoss", reduction="sum")
    x, y = np.ones((4, 1), "float32"), np.zeros(4, "float32")
    assert float(made(y, x)) == 4.0


def test_it_comes_back_from_its_config():
    made = TorchValueLoss("HuberLoss", {"delta": 0.5}, weight=[1.0, 2.0], reduction="sum")
    again = keras.losses.deserialize(keras.losses.serialize(made))
    assert again.get_config() == made.get_config()
