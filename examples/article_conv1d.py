"""Three Conv1d layers that are often translated by hand, and what they really become in Keras.

The cases are those of the article "How can a PyTorch Conv1D layer be translated to
TensorFlow/Keras?", which writes padding="same" for each of them. That is right for the first one
alone, once the weights are copied.

    python examples/article_conv1d.py
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

import torch2keras as t2k

if TYPE_CHECKING:
    import keras

CASES = (
    ("kernel 5, stride 1, padding 2", nn.Conv1d(16, 33, 5, stride=1, padding=2), (20, 16, 100)),
    (
        "the same with dilation 2",
        nn.Conv1d(16, 33, 5, stride=1, padding=2, dilation=2),
        (20, 16, 100),
    ),
    ("8 groups, 32 to 64 channels, kernel 3", nn.Conv1d(32, 64, 3, groups=8), (20, 32, 100)),
)


def describe(layer: keras.Layer) -> str:
    """Return a layer with those of its arguments that matter here."""
    config = layer.get_config()
    names = ("filters", "kernel_size", "padding", "dilation_rate", "groups")
    return f"{type(layer).__name__}({', '.join(f'{n}={config[n]}' for n in names if n in config)})"


def show(title: str, layer: nn.Conv1d, shape: tuple[int, ...]) -> None:
    """Convert one layer and compare it on random numbers."""
    x = torch.randn(shape)
    converted = t2k.convert(layer, (x,))
    with torch.inference_mode():
        expected = layer(x).numpy()
    result = converted(x)
    print(f"\n{title}\n  PyTorch  {layer}  {shape} -> {expected.shape}")
    for made in converted.model.layers[1:]:
        print(f"  Keras    {describe(made)}")
    print(f"  largest difference {np.abs(result - expected).max():.1e}")


def main() -> None:
    """Show all cases."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    torch.manual_seed(0)
    for title, layer, shape in CASES:
        show(title, layer, shape)


if __name__ == "__main__":
    main()
