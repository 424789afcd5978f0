"""Normalization by the statistics of groups of channels, or of all, in few operators.

Keras's layer for groups takes a dimension more; that for all channels has a factor and a summand of
each element, one operator more than the difference from the mean, which is needed anyway.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from torch2keras.deployment_forms.rank4 import hold_as, take_tensor
from torch2keras.deployment_forms.rules import rule, weight_tensor
from torch2keras.keras_graph.graph import Call

LAST_AXIS = (-1, [-1], (-1,))
"""How a layer is told of the channels of a value of any rank."""


@rule("layers.GroupNormalization")
def normalize_groups(call: Call, x: Any) -> Any:
    """Means over the positions, then over each group's channels, as a product with a matrix."""
    image = take_tensor(x)
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
    return hold_as(x, y)


@rule("layers.LayerNormalization")
def normalize_channels(call: Call, x: Any) -> Any:
    """The difference from the mean over the channels, by its root mean square."""
    image = take_tensor(x)
    if call.config.get("axis", -1) not in LAST_AXIS or image.dtype != tf.float32:
        return NotImplemented
    centred = image - tf.reduce_mean(image, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), -1, keepdims=True)
    y = centred * tf.math.rsqrt(variance + call.config["epsilon"])
    gamma, beta = weight_tensor(call, "gamma"), weight_tensor(call, "beta")
    if gamma is not None:
        y = y * gamma
    if beta is not None:
        y = y + beta
    return hold_as(x, y)


def mean_of_groups(image: tf.Tensor, groups: int) -> tf.Tensor:
    """Return the mean of each channel's group, (n, 1, 1, c)."""
    means = tf.reduce_mean(image, [1, 2], keepdims=True)
    channels = image.shape[-1]
    if groups in (-1, channels):
        return means
    each = channels // groups
    matrix = np.kron(np.eye(groups), np.full((each, each), 1 / each))
    return tf.nn.conv2d(means, tf.constant(matrix[None, None], image.dtype), 1, "VALID")
