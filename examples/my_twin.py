"""A Keras twin of a PyTorch net, written by hand with two mistakes: found, mended, and filled.

python examples/my_twin.py
"""

from __future__ import annotations

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

import torch2keras as t2k

LENGTH, CHANNELS = 200, 16


class Net(nn.Module):
    """(n, 1, LENGTH) -> (n, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, CHANNELS, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm1d(CHANNELS)
        self.lstm = nn.LSTM(CHANNELS, CHANNELS, batch_first=True)
        self.head = nn.Linear(CHANNELS, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of the last step."""
        x = nn.functional.leaky_relu(self.norm(self.conv(x)))
        steps, _ = self.lstm(x.transpose(1, 2))
        return self.head(steps[:, -1])


def build_first_try() -> keras.Model:
    """Write the twin as most people do at first."""
    x = inputs = keras.Input((LENGTH, 1))
    x = layers.Conv1D(CHANNELS, 5, strides=2, padding="same", name="conv")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm")(x)
    x = layers.LeakyReLU(name="leaky")(x)
    x = layers.LSTM(CHANNELS, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


def build_mended() -> keras.Model:
    """Write it again, as the causes say."""
    x = inputs = keras.Input((LENGTH, 1))
    x = layers.ZeroPadding1D(2)(x)
    x = layers.Conv1D(CHANNELS, 5, strides=2, name="conv")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm")(x)
    x = layers.LeakyReLU(negative_slope=0.01, name="leaky")(x)
    x = layers.LSTM(CHANNELS, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


def train_a_little(net: nn.Module) -> None:
    """Give the net weights and statistics that are not those of its beginning."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(20):
        loss = net(torch.randn(8, 1, LENGTH)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main() -> None:
    """Compare, mend, transfer."""
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    net = Net()
    train_a_little(net)
    net.eval()
    x = torch.randn(4, 1, LENGTH)

    print("the first try\n")
    first = t2k.compare(net, build_first_try(), (x,))
    print(first)

    print("\nmended\n")
    twin = build_mended()
    print(t2k.transfer(net, twin, (x,)))
    print()
    print(t2k.compare(net, twin, (x,)))

    with torch.no_grad():
        theirs = net(x).numpy()
    ours = np.asarray(twin(x.permute(0, 2, 1).numpy()))
    print(f"\nlargest difference of the outputs: {np.abs(ours - theirs).max():.1e}")


if __name__ == "__main__":
    main()
