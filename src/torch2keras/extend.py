"""What authors of ops and of leaf modules import (docs/add-an-op.md, docs/leaf-modules.md)."""

from __future__ import annotations

from torch2keras.declarations.leaf import leaf
from torch2keras.declarations.registry import lowering, pointwise
from torch2keras.errors import LoweringError
from torch2keras.lower.recorder import call, cast, layers, ops

__all__ = ["LoweringError", "call", "cast", "layers", "leaf", "lowering", "ops", "pointwise"]
