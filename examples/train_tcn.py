"""A temporal convolutional network: begun in PyTorch, trained on in Keras, brought back to PyTorch.

The network (Bai et al. 2018, https://arxiv.org/abs/1803.01271) learns a causal moving average of
noise. Its weight normalisation is folded for the journey: what Keras trains is the product, which
cannot be told apart again.

    python examples/train_tcn.py
"""

from __future__ import annotations

import os

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

import torch2keras as t2k

WINDOW, LENGTH, BATCH = 12, 101, 16  # steps, steps, sequences


class Block(nn.Module):
    """Two dilated causal convolutions beside a residual path."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        # What a kernel of 3 looks into the future when padded on both sides.
        self.chomp = 2 * dilation
        options = {"padding": self.chomp, "dilation": dilation}
        self.conv1 = weight_norm(nn.Conv1d(inputs, outputs, 3, **options))
        self.conv2 = weight_norm(nn.Conv1d(outputs, outputs, 3, **options))
        self.residual = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, length) -> (n, outputs, length)."""
        y = torch.relu(self.conv1(x)[:, :, : -self.chomp])
        y = torch.relu(self.conv2(y)[:, :, : -self.chomp])
        return torch.relu(y + self.residual(x))


class TCN(nn.Module):
    """(n, 1, length) -> (n, 1, length)."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            Block(1, channels, 1), Block(channels, channels, 2), Block(channels, channels, 4)
        )
        self.head = nn.Conv1d(channels, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Each step of the result sees the steps up to its own."""
        return self.head(self.blocks(x))


def make_sequences(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noise (count, 1, LENGTH), and the mean of the WINDOW steps up to each one."""
    x = np.random.default_rng(seed).standard_normal((count, 1, LENGTH)).astype(np.float32)
    sums = np.cumsum(np.pad(x, ((0, 0), (0, 0), (WINDOW, 0))), axis=2)
    return x, ((sums[:, :, WINDOW:] - sums[:, :, :-WINDOW]) / WINDOW).astype(np.float32)


def loss_in_torch(network: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean squared error of the network in PyTorch."""
    with torch.inference_mode():
        return float(nn.functional.mse_loss(network(torch.from_numpy(x)), torch.from_numpy(y)))


def train_in_torch(network: nn.Module, x: np.ndarray, y: np.ndarray, steps: int) -> None:
    """Train for some steps of Adam."""
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for step in range(steps):
        batch = slice(step * BATCH % len(x), step * BATCH % len(x) + BATCH)
        loss = nn.functional.mse_loss(
            network(torch.from_numpy(x[batch])), torch.from_numpy(y[batch])
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def remove_weight_norm(network: nn.Module) -> None:
    """Exchange each normalised weight for the product that it stands for."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")


def main() -> None:
    """Train in PyTorch, then in Keras, and go back."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is first imported
    import keras

    torch.manual_seed(0)
    x, y = make_sequences(512, seed=1)
    test_x, test_y = make_sequences(64, seed=2)

    network = TCN()
    print(f"untrained                    loss {loss_in_torch(network, test_x, test_y):.5f}")
    train_in_torch(network, x, y, steps=30)
    print(f"30 steps in PyTorch          loss {loss_in_torch(network, test_x, test_y):.5f}")

    keras.utils.set_random_seed(0)
    remove_weight_norm(network)
    converted = t2k.convert(network, (torch.from_numpy(x[:2]),))
    model, into, outof = converted.model, converted.inputs[0], converted.outputs[0]
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse")
    test = into.from_torch(test_x), outof.from_torch(test_y)
    print(f"the same in Keras            loss {model.evaluate(*test, verbose=0):.5f}")
    model.fit(into.from_torch(x), outof.from_torch(y), batch_size=BATCH, epochs=3, verbose=0)
    print(f"96 steps more in Keras       loss {model.evaluate(*test, verbose=0):.5f}")

    network.load_state_dict(converted.state_dict())
    print(f"brought back to PyTorch      loss {loss_in_torch(network, test_x, test_y):.5f}")


if __name__ == "__main__":
    main()
