"""Four nets, their Keras twins as a person writes them, and what goes wrong in those."""

from __future__ import annotations

import keras
import numpy as np
import torch
from keras import layers
from torch import nn


def settle(net: nn.Module, seed: int = 0, variance: tuple[float, float] = (0.01, 0.5)) -> nn.Module:
    """Give a net weights and statistics of which none is neutral."""
    generator = torch.Generator().manual_seed(seed)
    for part in net.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.2, generator=generator)
            part.running_var.uniform_(*variance, generator=generator)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return net.eval()


class Conv(nn.Module):
    """(n, 1, 100) -> (n, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv1d(1, 8, 5, 2, 2)
        self.b1 = nn.BatchNorm1d(8)
        self.act = nn.LeakyReLU()
        self.pool = nn.MaxPool1d(3, 2, ceil_mode=True)
        self.c2 = nn.Conv1d(8, 16, 3, padding=1)
        self.b2 = nn.BatchNorm1d(16)
        self.average = nn.AvgPool1d(3, 2, padding=1)
        self.drop = nn.Dropout(0.3)
        self.fc1 = nn.Linear(16 * 13, 12)
        self.fc2 = nn.Linear(12, 4)

    def forward(self, x):
        x = self.pool(self.act(self.b1(self.c1(x))))
        x = self.average(nn.functional.gelu(self.b2(self.c2(x))))
        x = torch.relu(self.fc1(self.drop(x).flatten(1)))
        return self.fc2(x)


def conv_twin(mistake: str = "") -> keras.Model:
    x = inputs = keras.Input((100, 1))
    if mistake == "same":
        x = layers.Conv1D(8, 5, 2, padding="same", name="c1")(x)
    else:
        x = layers.ZeroPadding1D(2)(x)
        x = layers.Conv1D(8, 5, 2, name="c1", use_bias=mistake != "bias")(x)
    epsilon = 1e-3 if mistake == "epsilon" else 1e-5
    momentum = 0.99 if mistake == "momentum" else 0.9
    x = layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name="b1")(x)
    x = layers.LeakyReLU(negative_slope=0.3 if mistake == "slope" else 0.01, name="leaky")(x)
    if mistake == "ceil_mode":
        x = layers.MaxPooling1D(3, 2, padding="valid", name="pool")(x)
    elif mistake == "pooling":
        x = layers.AveragePooling1D(3, 2, padding="same", name="pool")(x)
    else:
        x = layers.MaxPooling1D(3, 2, padding="same", name="pool")(x)
    x = layers.Conv1D(16, 3, padding="causal" if mistake == "causal" else "same", name="c2")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="b2")(x)
    if mistake == "gelu":
        x = layers.Activation(lambda v: keras.ops.gelu(v, approximate=True), name="gelu")(x)
    else:
        x = layers.Activation("gelu", name="gelu")(x)
    if mistake == "count_include_pad":
        x = layers.AveragePooling1D(3, 2, padding="same", name="average")(x)
    else:
        x = layers.AveragePooling1D(3, 2, name="average")(layers.ZeroPadding1D(1)(x))
    x = layers.Dropout(0.5 if mistake == "dropout" else 0.3, name="drop")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(12, activation=None if mistake == "activation" else "relu", name="fc1")(x)
    return keras.Model(inputs, layers.Dense(4, name="fc2")(x))


class Recurrent(nn.Module):
    """(n, 1, 40) -> (n, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 3, padding=1)
        self.lstm = nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(12, 6, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = torch.relu(self.conv(x)).transpose(1, 2)
        x, _ = self.lstm(x)
        x, _ = self.gru(x)
        return self.head(x[:, -1])


def recurrent_twin(mistake: str = "") -> keras.Model:
    x = inputs = keras.Input((40, 1))
    x = layers.Conv1D(8, 3, padding="same", activation="relu", name="conv")(x)
    gate = "hard_sigmoid" if mistake == "recurrent_activation" else "sigmoid"
    lstm = layers.LSTM(6, return_sequences=True, recurrent_activation=gate)
    x = layers.Bidirectional(lstm, name="lstm")(x)
    x = layers.GRU(6, reset_after=mistake != "reset_after", name="gru")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


class Image(nn.Module):
    """(n, 3, 16, 16) -> (n, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.point = nn.Conv2d(8, 12, 1)
        self.fc = nn.Linear(12 * 16, 5)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = nn.functional.max_pool2d(torch.relu(self.point(self.depth(x))), 2)
        return self.fc(x.flatten(1)).softmax(1)


def image_twin(mistake: str = "") -> keras.Model:
    x = inputs = keras.Input((16, 16, 3))
    if mistake == "strides":
        x = layers.Conv2D(8, 3, 1, padding="same", use_bias=False, name="stem")(x)
    else:
        x = layers.ZeroPadding2D(1)(x)
        x = layers.Conv2D(8, 3, 2, use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm")(x)
    x = layers.ReLU()(x)
    x = layers.SeparableConv2D(12, 3, padding="same", activation="relu", name="separable")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    last = None if mistake == "softmax" else "softmax"
    return keras.Model(inputs, layers.Dense(5, activation=last, name="fc")(x))


class Attention(nn.Module):
    """(n, 10, 16) -> (n, 10, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(16)
        self.query = nn.Linear(16, 16)
        self.key = nn.Linear(16, 16)
        self.value = nn.Linear(16, 16)
        self.out = nn.Linear(16, 16)
        self.norm2 = nn.LayerNorm(16)
        self.wide = nn.Linear(16, 32)
        self.narrow = nn.Linear(32, 16)

    def forward(self, x):
        y = self.norm1(x)
        scores = self.query(y) @ self.key(y).transpose(1, 2) / 4
        x = x + self.out(scores.softmax(-1) @ self.value(y))
        return x + self.narrow(nn.functional.gelu(self.wide(self.norm2(x))))


def attention_twin(mistake: str = "") -> keras.Model:
    x = inputs = keras.Input((10, 16))
    y = layers.LayerNormalization(epsilon=1e-5, name="norm1")(x)
    value = layers.Dense(16, name="value")(y)
    key = layers.Dense(16, name="key")(y)
    query = layers.Dense(16, name="query")(y)
    if mistake == "turned":  # which is none
        scores = keras.ops.matmul(key, keras.ops.transpose(query, (0, 2, 1))) / 4
        scores = keras.ops.transpose(scores, (0, 2, 1))
    else:
        scores = keras.ops.matmul(query, keras.ops.transpose(key, (0, 2, 1))) / 4
    scores = layers.Softmax(axis=1 if mistake == "softmax axis" else -1, name="scores")(scores)
    x = x + layers.Dense(16, name="out")(keras.ops.matmul(scores, value))
    axis = 1 if mistake == "norm axis" else -1
    y = layers.LayerNormalization(epsilon=1e-5, axis=axis, name="norm2")(x)
    y = layers.Dense(32, activation="relu" if mistake == "relu" else "gelu", name="wide")(y)
    return keras.Model(inputs, x + layers.Dense(16, name="narrow")(y))


NETS = {
    "conv": (Conv, conv_twin, (2, 1, 100)),
    "recurrent": (Recurrent, recurrent_twin, (2, 1, 40)),
    "image": (Image, image_twin, (2, 3, 16, 16)),
    "attention": (Attention, attention_twin, (2, 10, 16)),
}
"""A net, its twin, and the shape of an example."""


def make_pair(name: str, mistake: str = "") -> tuple[nn.Module, keras.Model, torch.Tensor]:
    """Return a net, its twin with a mistake, and an example."""
    net, twin, shape = NETS[name]
    keras.utils.set_random_seed(0)
    torch.manual_seed(0)
    return settle(net()), twin(mistake), torch.randn(shape)


def predict(model: keras.Model, array: np.ndarray) -> np.ndarray:
    return np.asarray(model(array, training=False))
