"""A bias that a layer holds, or that is added behind it because the model computes it."""

from __future__ import annotations

from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import Tensor


def split_bias(bias: Operand | None) -> tuple[Operand | None, Operand | None]:
    """The bias that the layer holds, and the bias to add behind it; one of them is None."""
    if bias is None or bias.is_constant:
        return bias, None
    return None, bias


def add_bias(y: Tensor, bias: Operand | None) -> Tensor:
    """`y + bias`, or `y` where there is no bias."""
    return y if bias is None else y + bias
