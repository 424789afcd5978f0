"""Blocks of channels lie where PyTorch puts them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import torch

from torch2keras.deployment_forms.passes.pixel_shuffles import DEPTH_TO_SPACE
from torch2keras.deployment_forms.rules import RULES
from torch2keras.keras_graph.graph import Call


def test_blocks_of_one_channel_are_pytorch() -> None:
    x = torch.randn(1, 9, 2, 4)
    call = Call(DEPTH_TO_SPACE, (), {}, (1,))
    image = tf.constant(x.permute(0, 2, 3, 1).numpy())
    y = RULES[DEPTH_TO_SPACE](call, image, 3, (2, 3, 4, 3))
    assert y.shape == (1, 2, 3, 4, 3)
    expected = torch.pixel_shuffle(x, 3).numpy()
    np.testing.assert_array_equal(np.reshape(y, expected.shape), expected)
