"""Weights that are copied in begin as zeros: drawing them takes longer than copying them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

_INNER = ("cell", "forward_layer", "backward_layer")
"""Where recurrent layers and Bidirectional hold the layers that hold the weights."""

_CONSTANT = (keras.initializers.Zeros, keras.initializers.Ones, keras.initializers.Constant)


class ZeroInitializers:
    """Initializers taken from layers, to be given back, since their configurations hold them."""

    def __init__(self) -> None:
        self.taken: list[tuple[keras.Layer, str, keras.Initializer]] = []

    def exchange(self, layer: keras.Layer) -> None:
        """Let the weights of a layer that is not built yet begin as zeros.

        Private initializers stay: `MultiHeadAttention` hands them on to layers that it makes later,
        out of our sight.
        """
        for holder in _find_holders(layer):
            for name, value in list(vars(holder).items()):
                is_public = name.endswith("_initializer") and not name.startswith("_")
                if is_public and _draws(value):
                    self.taken.append((holder, name, value))
                    setattr(holder, name, keras.initializers.Zeros())

    def restore(self) -> None:
        """Give all initializers back."""
        for holder, name, value in self.taken:
            setattr(holder, name, value)
        self.taken.clear()


def _find_holders(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Yield the layer and those within it that hold weights."""
    yield layer
    for name in _INNER:
        inner = getattr(layer, name, None)
        if isinstance(inner, keras.Layer):
            yield from _find_holders(inner)


def _draws(value: Any) -> bool:
    """Whether this is an initializer that draws random numbers."""
    return isinstance(value, keras.initializers.Initializer) and not isinstance(value, _CONSTANT)
