"""Losses of classes; test_loss_table.py compares each with PyTorch's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

from torch2keras.training.class_losses import TorchCrossEntropy


def test_targets_may_have_a_last_dimension_of_one():
    x, y = np.random.default_rng(0).standard_normal((5, 3)).astype("float32"), np.arange(5) % 3
    made = TorchCrossEntropy(label_smoothing=0.1)
    own = nn.CrossEntropyLoss(label_smoothing=0.1)(torch.from_numpy(x), torch.from_numpy(y))
    assert float(made(y[:, None], x)) == pytest.approx(own.item(), rel=1e-6)
    assert float(made(y, x)) == pytest.approx(own.item(), rel=1e-6)


def test_an_impossible_class_that_is_not_the_target_costs_nothing():
    """The logarithm of a masked class is minus infinity, and its share is zero."""
    x = np.array([[0.0, 1.0, -np.inf]], "float32")
    own = nn.CrossEntropyLoss(reduction="sum")(torch.from_numpy(x), torch.tensor([1]))
    assert float(TorchCrossEntropy(reduction="sum")(np.array([1]), x)) == pytest.approx(own.item())


@pytest.mark.parametrize("jit", [False, True])
def test_a_model_fits_by_it(jit):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    x = np.random.default_rng(0).standard_normal((32, 4)).astype("float32")
    y = np.argmax(x[:, :3], 1)
    made = TorchCrossEntropy(weight=[1.0, 2.0, 0.5], label_smoothing=0.1)
    model.compile("sgd", made, jit_compile=jit)
    history = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
