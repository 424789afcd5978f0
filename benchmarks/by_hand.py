"""Nets of the benchmarks as a person writes them in Keras, or `keras.applications` has them."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers


def conv(length: int) -> keras.Model:
    """Return one convolution of stride 2, padded on both sides as PyTorch does."""
    inputs = keras.Input((length, 16))
    x = layers.ZeroPadding1D(2)(inputs)
    return keras.Model(inputs, layers.Conv1D(32, 5, strides=2)(x))


def tcn(channels: int, blocks: int, length: int) -> keras.Model:
    """Return the temporal convolutional network."""
    inputs = x = keras.Input((length, channels))
    for block in range(blocks):
        y = x
        for _ in range(2):
            y = layers.Conv1D(channels, 3, padding="causal", dilation_rate=2**block)(y)
            y = layers.ReLU()(y)
        x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(inputs, x)


def unet(length: int) -> keras.Model:
    """Return the net of two levels down and up again."""
    inputs = keras.Input((length, 2))
    low = layers.Conv1D(32, 8, strides=4, activation="relu")(layers.ZeroPadding1D(2)(inputs))
    deep = layers.Conv1D(64, 8, strides=4, activation="relu")(layers.ZeroPadding1D(2)(low))
    x = layers.Conv1DTranspose(32, 8, strides=4, padding="same", activation="relu")(deep)
    x = layers.Concatenate()([x, low])
    x = layers.Conv1DTranspose(2, 8, strides=4, padding="same", activation="tanh")(x)
    return keras.Model(inputs, x)


def recurrent(length: int) -> keras.Model:
    """Return a convolution and two bidirectional LSTMs."""
    inputs = keras.Input((length, 16))
    x = layers.Conv1D(64, 5, padding="same", activation="relu")(inputs)
    for _ in range(2):
        x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)
    return keras.Model(inputs, x)


def encoder(length: int) -> keras.Model:
    """Return four layers of attention, each normalized behind its sums."""
    inputs = x = keras.Input((length, 64))
    for _ in range(4):
        y = layers.MultiHeadAttention(4, 16)(x, x)
        x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, y]))
        y = layers.Dense(64)(layers.Dense(128, activation="relu")(x))
        x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, y]))
    return keras.Model(inputs, x)


def one_layer(layer: keras.Layer, length: int, channels: int) -> keras.Model:
    """Return a model of one layer."""
    inputs = keras.Input((length, channels))
    return keras.Model(inputs, layer(inputs))


TWINS: dict[str, Callable[[], keras.Model]] = {
    "Conv1d": lambda: conv(1000),
    "TCN 8 x 64, L 4000": lambda: tcn(64, 8, 4000),
    "depthwise k7 x 256": lambda: one_layer(layers.DepthwiseConv1D(7, padding="same"), 2000, 256),
    "Conv1d 256, k7, groups 8": lambda: one_layer(
        layers.Conv1D(256, 7, padding="same", groups=8), 2000, 256
    ),
    "1-D U-Net": lambda: unet(4096),
    "Conv1d, BiLSTM x 2": lambda: recurrent(100),
    "TransformerEncoder x 4": lambda: encoder(100),
    "ResNet50": lambda: keras.applications.ResNet50(weights=None),
    "MobileNetV2": lambda: keras.applications.MobileNetV2(weights=None),
    "DenseNet121": lambda: keras.applications.DenseNet121(weights=None),
    "VGG16": lambda: keras.applications.VGG16(weights=None),
}
