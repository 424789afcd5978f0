"""Ops that act on each position alone: one table."""

from __future__ import annotations

import torch

from torch2keras.recorder import ops
from torch2keras.registry import pointwise

aten = torch.ops.aten

pointwise(
    {
        aten.relu.default: ops.relu,
        aten.tanh.default: ops.tanh,
        aten.sigmoid.default: ops.sigmoid,
    }
)
