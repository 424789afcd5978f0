"""Layers whose weights begin as zeros, since they are copied in right after: drawing them takes longer than copying."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

_INNER = ("cell", "forward_layer", "backward_layer")
"""Where recurrent layers and Bidirectional hold the layers that hold the weights."""


class ZeroInitializers:
    """The initializers that layers had, to give them back: they are part of a layer's configuration."""

    def __init__(self) -> None:
        self.taken: list[tuple[keras.Layer, str, keras.Initializer]] = []

    def add(self, layer: keras.Layer) -> None:
        """Let the weights of a layer that is not built yet begin as zeros.

        Private initializers stay: `MultiHeadAttention` hands them on to layers that it makes later, out of our sight.
        """
        for holder in _holders(layer):
            for name, value in list(vars(holder).items()):
                if name.endswith("_initializer") and not name.startswith("_") and _draws(value):
                    self.taken.append((holder, name, value))
                    setattr(holder, name, keras.initializers.Zeros())

    def restore(self) -> None:
        """Give all initializers back."""
        for holder, name, value in self.taken:
            setattr(holder, name, value)
        self.taken.clear()


def _holders(layer: keras.Layer) -> Iterator[keras.Layer]:
    yield layer
    for name in _INNER:
        if isinstance(inner := getattr(layer, name, None), keras.Layer):
            yield from _holders(inner)


def _draws(value: Any) -> bool:
    return isinstance(value, keras.initializers.Initializer) and not isinstance(
        value, keras.initializers.Zeros | keras.initializers.Ones | keras.initializers.Constant
    )
