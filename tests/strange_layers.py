"""A net whose Keras twin is made of layers that a stranger wrote, with weights of their own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from keras import layers, ops
from torch import nn


class WrittenNorm(nn.Module):
    """A layer norm over the channels, written out."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(size))
        self.bias = nn.Parameter(torch.randn(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        apart = x - x.mean(1, keepdim=True)
        variance = apart.square().mean(1, keepdim=True)
        x = apart / torch.sqrt(variance + 1e-6)
        return x * self.weight[:, None] + self.bias[:, None]


class Net(nn.Module):
    """(n, 5, 11) -> (n, 12, 3), with a factor, a token and positions as parameters."""

    def __init__(self, *, is_written: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv1d(5, 7, 3, padding=1)
        self.first = WrittenNorm(7) if is_written else nn.Identity()
        self.dense = nn.Linear(7, 7)
        self.gamma = nn.Parameter(torch.randn(7))
        self.token = nn.Parameter(torch.randn(1, 1, 7))
        self.positions = nn.Parameter(torch.randn(1, 11, 7))
        self.norm = nn.LayerNorm(7)
        self.head = nn.Linear(7, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(torch.relu(self.conv(x))).transpose(1, 2)
        x = self.dense(x) * self.gamma + self.positions
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        return self.head(self.norm(x))


class Scale(layers.Layer):
    """A factor for each channel, as keras.applications has it."""

    def build(self, shape: Any) -> None:
        self.gamma = self.add_weight(shape=(shape[-1],), name="gamma", initializer="ones")

    def call(self, x: Any) -> Any:
        return self.gamma * x


class SealedScale(Scale):
    """The same by means that no symbolic tensor goes through."""

    def call(self, x: Any) -> Any:
        return ops.multiply(x, ops.reshape(self.gamma.value, (1, 1, -1)))


class WrittenDense(layers.Layer):
    """A Dense layer that holds its kernel as it is or as PyTorch does."""

    def __init__(self, units: int, *, transposed: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.units, self.transposed = units, transposed

    def build(self, shape: Any) -> None:
        sizes = (shape[-1], self.units)
        held = sizes[::-1] if self.transposed else sizes
        self.pair = [
            self.add_weight(shape=held, name="w"),
            self.add_weight(shape=(self.units,), name="b"),
        ]

    def call(self, x: Any) -> Any:
        kernel, bias = self.pair
        return ops.matmul(x, ops.transpose(kernel) if self.transposed else kernel) + bias


class WrittenKerasNorm(layers.Layer):
    """A layer norm, written out."""

    def build(self, shape: Any) -> None:
        self.gamma = self.add_weight(shape=(shape[-1],), name="gamma")
        self.beta = self.add_weight(shape=(shape[-1],), name="beta")

    def call(self, x: Any) -> Any:
        apart = x - ops.mean(x, -1, keepdims=True)
        variance = ops.mean(ops.square(apart), -1, keepdims=True)
        return self.beta + self.gamma * (apart * ops.rsqrt(variance + 1e-5))


class Tokens(layers.Layer):
    """Positions added, and a token in front."""

    def build(self, shape: Any) -> None:
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")
        self.positions = self.add_weight(shape=(1, *shape[1:]), name="positions")

    def call(self, x: Any) -> Any:
        x = x + self.positions
        return ops.concatenate([ops.ones_like(x[:, :1]) * self.token, x], 1)


def make_twin(
    *,
    scale: type[Scale] = Scale,
    is_normed: bool = True,
    norm: layers.Layer | None = None,
    head: layers.Layer | None = None,
) -> keras.Model:
    """Return the twin, with some layers of one's own choice."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((11, 5))
    x = layers.Conv1D(7, 3, padding="same", activation="relu", name="conv")(x)
    if is_normed:
        x = layers.LayerNormalization(epsilon=1e-6, name="first")(x)
    x = layers.Dense(7, name="dense")(x)
    x = Tokens(name="tokens")(scale(name="scale")(x))
    x = (norm or layers.LayerNormalization(epsilon=1e-5, name="norm"))(x)
    return keras.Model(inputs, (head or layers.Dense(3, name="head"))(x))


def make_example() -> torch.Tensor:
    """Return an input of the net."""
    return torch.from_numpy(np.random.default_rng(0).standard_normal((2, 5, 11)).astype("float32"))
