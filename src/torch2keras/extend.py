"""What authors of ops and of leaf modules import (docs/add-an-op.md, docs/leaf-modules.md)."""

from __future__ import annotations

from torch2keras.declarations.context import Context
from torch2keras.declarations.costs import contraction_cost, last_axis_cost
from torch2keras.declarations.leaf import leaf
from torch2keras.declarations.registry import lowering, pointwise
from torch2keras.errors import LoweringError
from torch2keras.keras_graph.operand import Operand
from torch2keras.lower.recorder import call, cast, layers, ops

__all__ = [
    "Context",
    "LoweringError",
    "Operand",
    "call",
    "cast",
    "contraction_cost",
    "last_axis_cost",
    "layers",
    "leaf",
    "lowering",
    "ops",
    "pointwise",
]
