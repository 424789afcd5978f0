"""A 1-D ResNet, fine-tuned in Keras by the optimizer and the loss of its PyTorch training loop.

It tells which of four shapes of waves stands in noise. A few steps in PyTorch come first, so that
AdamW has momenta to go on with; then Keras trains the converted model, whose weights go back.

    python examples/fine_tune.py
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import torch
from torch import nn

import torch2keras as t2k

LENGTH, CLASSES, BATCH = 128, 4, 32
TRAINING, TEST, EPOCHS, WARM_UP = 1024, 256, 4, 8  # signals, signals, epochs, batches


class Block(nn.Module):
    """Two convolutions with batch norms beside the signal."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(before, after, 5, stride, 2, bias=False)
        self.norm1 = nn.BatchNorm1d(after)
        self.conv2 = nn.Conv1d(after, after, 5, padding=2, bias=False)
        self.norm2 = nn.BatchNorm1d(after)
        self.skip = nn.Conv1d(before, after, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, before, length) -> (n, after, length / stride)."""
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(y + self.skip(x))


class ResNet(nn.Module):
    """(n, 1, length) -> (n, CLASSES)."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(1, width, 7, 2, 3, bias=False), nn.BatchNorm1d(width), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            Block(width, width, 1), Block(width, 2 * width, 2), Block(2 * width, 4 * width, 2)
        )
        self.head = nn.Linear(4 * width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The scores of the classes."""
        return self.head(self.blocks(self.stem(x)).mean(-1))


def make_waves(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return four shapes of waves in noise (count, 1, LENGTH), and their classes."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, CLASSES, count)
    period = generator.uniform(16, 40, (count, 1))
    phase = (np.arange(LENGTH) / period + generator.uniform(0, 1, (count, 1))) % 1
    sine = np.sin(2 * np.pi * phase)
    shapes = np.stack([sine, np.sign(sine), 2 * phase - 1, 2 * sine * (phase < 0.5)])
    waves = shapes[classes, np.arange(count)] + generator.normal(0, 0.3, (count, LENGTH))
    return torch.from_numpy(waves[:, None].astype("float32")), torch.from_numpy(classes)


def score(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of signals that a module tells right."""
    with torch.no_grad():
        return float((module(x).argmax(1) == y).double().mean())


def main() -> tuple[float, float]:
    """Train on both sides, print how well each scores, and return Keras's and PyTorch's score."""
    torch.manual_seed(0)
    x, y = make_waves(TRAINING, seed=1)
    test_x, test_y = make_waves(TEST, seed=2)
    module, criterion = ResNet(), nn.CrossEntropyLoss(label_smoothing=0.05)
    decay = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim == 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=3e-3)
    for start in range(0, WARM_UP * BATCH, BATCH):
        optimizer.zero_grad()
        criterion(module(x[start : start + BATCH]), y[start : start + BATCH]).backward()
        optimizer.step()
    module.eval()
    print(f"PyTorch, {WARM_UP} batches        {score(module, test_x, test_y):.1%}")

    converted = t2k.convert(module, (x[:2],))
    model, port = converted.model, converted.inputs[0]
    model.compile(
        t2k.optimizer(optimizer, converted),
        t2k.loss(criterion, converted),
        metrics=["sparse_categorical_accuracy"],
    )
    model.fit(port.from_torch(x), y.numpy(), BATCH, EPOCHS, verbose=0)
    _, ours = model.evaluate(port.from_torch(test_x), test_y.numpy(), verbose=0)
    print(f"Keras, {EPOCHS} epochs more      {ours:.1%}")

    module.load_state_dict(converted.state_dict())
    theirs = score(module, test_x, test_y)
    print(f"PyTorch, these weights    {theirs:.1%}")
    return ours, theirs


if __name__ == "__main__":
    main()
