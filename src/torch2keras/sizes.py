"""Symbolic sizes as tensors: a dynamic length that enters arithmetic is measured on the input that has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from torch2keras.axes import AxisSpace
from torch2keras.errors import LoweringError
from torch2keras.factor import simple
from torch2keras.forms import shape_of
from torch2keras.ir import Graph, Size
from torch2keras.recorder import Tensor, ops


class SizeTensors:
    """Scalars of the Keras graph that hold sizes; each symbol is measured once."""

    def __init__(self, graph: Graph, stored: Mapping[Any, Any], space: AxisSpace) -> None:
        self.graph, self.stored, self.space = graph, stored, space
        self.measured: dict[sympy.Symbol, Tensor] = {}

    def tensor(self, size: Size) -> Any:
        """An int32 scalar tensor (or an int) of this size. Raises LoweringError where its arithmetic is unknown."""
        size = simple(size)
        if isinstance(size, int):
            return size
        if isinstance(size, sympy.Symbol):
            return self.symbol(size)
        args = [self.tensor(simple(a)) if not a.is_Float else float(a) for a in size.args]
        if isinstance(size, sympy.Add | sympy.Mul):
            total = args[0]
            for other in args[1:]:
                total = total + other if isinstance(size, sympy.Add) else total * other
            return total
        name = type(size).__name__
        if name in ("FloorDiv", "CleanDiv"):
            return ops.floor_divide(*args)
        if name == "Mod" or name == "PythonMod":
            return ops.mod(*args)
        raise LoweringError(f"the size {size} cannot be computed in Keras", [("next", "make this dimension static")])

    def symbol(self, symbol: sympy.Symbol) -> Tensor:
        """A count of ones along the dimension, at position 0 of all others: stock Keras has no symbolic shape."""
        if symbol not in self.measured:
            for value in self.graph.inputs:
                stored = self.stored[value]
                shape = shape_of(self.space, value, stored.form)
                if symbol in shape:
                    at = shape.index(symbol)
                    line = stored.tensor[tuple(slice(None) if d == at else 0 for d in range(len(shape)))]
                    self.measured[symbol] = ops.sum(ops.ones_like(line, dtype="int32"))
                    break
            else:
                raise LoweringError(f"no input has a dimension of size {symbol}", [("next", "make it static")])
        return self.measured[symbol]
