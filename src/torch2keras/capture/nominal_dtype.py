"""The floating type that a module is written for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

ORDER = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
"""Of several types the first counts: float32 if there is any, else that of the wider range."""


def nominal_dtype(
    module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None
) -> torch.dtype:
    """Return the floating type that `module` is written for.

    It is float32 if any of the module or its inputs is, or nothing of them is floating; else the
    one that they have.
    """
    inputs = tree_leaves((tuple(args), dict(kwargs or {})))
    present = set()
    for tensor in chain(module.parameters(), module.buffers(), inputs):
        if isinstance(tensor, torch.Tensor):
            present.add(tensor.dtype.to_real() if tensor.is_complex() else tensor.dtype)
    return next((dtype for dtype in ORDER if dtype in present), torch.float32)
