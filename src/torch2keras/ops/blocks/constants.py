"""Constants of the Keras graph that a converter computes."""

from __future__ import annotations

import torch

from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.weight import Weight


def as_constant(values: torch.Tensor, dtype: str = "int32") -> Weight:
    """The numbers as a constant of this dtype; floats stay as precise as they are known."""
    if "float" not in dtype:
        values = values.to(getattr(torch, dtype))
    kind = TensorType(tuple(values.shape), getattr(torch, dtype))
    return Weight.of(Constant("numbers", kind, values))
