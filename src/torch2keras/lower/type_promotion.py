"""PyTorch's type promotion, for the operands of a Keras op."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import sympy
import torch

from torch2keras.graph.ir import Value
from torch2keras.keras_graph.weight import Weight
from torch2keras.lower.recorder import Tensor, cast

UNTYPED = ("condition", "mask", "alpha")
"""Arguments that have no part in the type of the result."""


def promoted(argument: Any, dtype: torch.dtype) -> Any:
    """An operand, or a list of them, in a dtype; numbers as they are."""
    if isinstance(argument, list | tuple):
        return type(argument)(promoted(a, dtype) for a in argument)
    return cast(argument, dtype) if isinstance(argument, Tensor | Weight) else argument


def result_dtype(arguments: Sequence[Any]) -> torch.dtype:
    """PyTorch's `result_type` of tensors (zero-dimensional ones count less), Python numbers and sizes."""
    probes: list[Any] = [
        torch.empty((1,) if a.type.rank else (), dtype=a.type.dtype, device="meta")
        for a in arguments
        if isinstance(a, Value)
    ]
    numbers = [a for a in arguments if isinstance(a, int | float)] + [
        1 for a in arguments if isinstance(a, sympy.Expr)
    ]
    found: torch.Tensor = functools.reduce(
        lambda a, b: torch.empty((1,), dtype=torch.result_type(a, b), device="meta"),
        [*probes, *numbers],
    )
    return found.dtype
