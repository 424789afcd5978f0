"""Which variable of a Keras model is made of which tensor of the module, and how."""

from __future__ import annotations

from dataclasses import dataclass

from torch2keras.keras_graph.weight import Weight


@dataclass(frozen=True, eq=False)
class WeightMap:
    """The weights of a model by their places in it."""

    weights: tuple[tuple[str, str, Weight], ...]
    """A layer's name, the path of a variable in it, and what that variable is made of."""
    own: frozenset[str]
    """The names that torch.export gives the module's parameters and persistent buffers."""
