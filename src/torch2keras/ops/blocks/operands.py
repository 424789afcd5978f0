"""Questions to an operand, a recorded tensor or a weight: its dtype, its rank, its dimensions."""

from __future__ import annotations

from typing import Any

import torch

from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, cast


def dtype_of(*operands: Any) -> str:
    """The dtype that the operands have been promoted to; numbers have none."""
    return next(str(x.dtype) for x in operands if isinstance(x, Tensor | Weight))


def floating(*operands: Any) -> bool:
    """Whether this is arithmetic of floats."""
    return "float" in dtype_of(*operands)


def axis(x: Any, dim: Any) -> Any:
    """The dimensions as Keras takes them; PyTorch lets a scalar be reduced over its dimension 0."""
    return None if x.ndim == 0 or dim == () else dim


def added(x: Any, dtype: torch.dtype | None) -> Any:
    """An operand of a sum or product: in `dtype`, and integers and bools in int64."""
    return cast(x, dtype or (None if "float" in x.dtype else torch.int64))


def ranked(x: Any) -> Any:
    """An operand that is compared by size: bools as 0 and 1."""
    return cast(x, "int32" if x.dtype == "bool" else None)
