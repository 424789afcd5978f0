"""Group normalization in the rank of its input: Keras's layer takes a dimension more for groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from torch2keras.deployment_forms.rank4 import Rank4
from torch2keras.deployment_forms.rules import rule, weight_tensor
from torch2keras.keras_graph.graph import Call


@rule("layers.GroupNormalization")
def normalize_groups(call: Call, x: Any) -> Any:
    """Means over the positions, then over each group's channels, as a product with a matrix."""
    image = x.image if isinstance(x, Rank4) else x
    rank = image.shape.rank
    if call.config.get("axis", -1) not in (-1, rank - 1) or rank != 4:
        return NotImplemented
    groups = call.config["groups"]
    centred = image - mean_of_groups(image, groups)
    variance = mean_of_groups(tf.square(centred), groups)
    factor = tf.math.rsqrt(variance + call.config["epsilon"])
    gamma, beta = weight_tensor(call, "gamma"), weight_tensor(call, "beta")
    if gamma is not None:
        factor = factor * gamma
    y = centred * factor
    if beta is not None:
        y = y + beta
    return Rank4(y) if isinstance(x, Rank4) else y


def mean_of_groups(image: tf.Tensor, groups: int) -> tf.Tensor:
    """Return the mean of each channel's group, (n, 1, 1, c)."""
    means = tf.reduce_mean(image, [1, 2], keepdims=True)
    channels = image.shape[-1]
    if groups in (-1, channels):
        return means
    each = channels // groups
    matrix = np.kron(np.eye(groups), np.full((each, each), 1 / each))
    return tf.nn.conv2d(means, tf.constant(matrix[None, None], image.dtype), 1, "VALID")
