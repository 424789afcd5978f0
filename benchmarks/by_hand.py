"""Nets of the benchmarks as a person writes them in Keras, or `keras.applications` has them."""

from __future__ import annotations

from collections.abc import Callable

import keras


def tcn(channels: int, blocks: int, length: int) -> keras.Model:
    """Return the temporal convolutional network."""
    inputs = x = keras.Input((length, channels))
    for block in range(blocks):
        y = x
        for _ in range(2):
            y = keras.layers.Conv1D(channels, 3, padding="causal", dilation_rate=2**block)(y)
            y = keras.layers.ReLU()(y)
        x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    return keras.Model(inputs, x)


def one_layer(layer: keras.Layer, length: int, channels: int) -> keras.Model:
    """Return a model of one layer."""
    inputs = keras.Input((length, channels))
    return keras.Model(inputs, layer(inputs))


TWINS: dict[str, Callable[[], keras.Model]] = {
    "TCN 8 x 64, L 4000": lambda: tcn(64, 8, 4000),
    "depthwise k7 x 256": lambda: one_layer(
        keras.layers.DepthwiseConv1D(7, padding="same"), 2000, 256
    ),
    "Conv1d 256, k7, groups 8": lambda: one_layer(
        keras.layers.Conv1D(256, 7, padding="same", groups=8), 2000, 256
    ),
    "ResNet50": lambda: keras.applications.ResNet50(weights=None),
    "MobileNetV2": lambda: keras.applications.MobileNetV2(weights=None),
    "DenseNet121": lambda: keras.applications.DenseNet121(weights=None),
    "VGG16": lambda: keras.applications.VGG16(weights=None),
}
