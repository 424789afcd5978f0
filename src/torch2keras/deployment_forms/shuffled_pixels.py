"""Blocks of channels as blocks of pixels, by TensorFlow's own operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from torch2keras.deployment_forms.passes.pixel_shuffles import DEPTH_TO_SPACE
from torch2keras.deployment_forms.rank4 import lower_rank
from torch2keras.deployment_forms.rules import rule
from torch2keras.keras_graph.graph import Call


@rule(DEPTH_TO_SPACE)
def move_blocks(_call: Call, x: Any, block: int, shape: Sequence[int]) -> Any:
    """DEPTH_TO_SPACE of (n, h, w, a b c), in the shape (n, h, a, w, b, c) of the transpose."""
    image = lower_rank(x)
    return tf.reshape(tf.nn.depth_to_space(image, block), [image.shape[0], *shape])
