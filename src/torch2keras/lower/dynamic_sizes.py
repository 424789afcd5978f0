"""Symbolic sizes as tensors: stock Keras has no symbolic shape, so a dynamic size is measured on a value that has it.

`sizes_of` tells a converter the sizes of an operand as expressions; `ones` makes a tensor of a symbolic shape,
`count_positions` numbers the positions of a dimension, `broadcast_to` stretches dimensions of size one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sympy
from torch.utils._sympy.functions import FloorDiv

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size, size_quotient
from torch2keras.keras_graph.operand import Operand
from torch2keras.layout.axes import AxisSpace
from torch2keras.layout.storage import storage_shape
from torch2keras.lower.recorder import Tensor, cast, float_dtype, one, ops

ARITHMETIC = {
    "FloorDiv": "floor_divide", "CleanDiv": "floor_divide", "IntTrueDiv": "true_divide", "FloatTrueDiv": "true_divide",
    "Mod": "mod", "PythonMod": "mod", "FloatPow": "power", "PowByNatural": "power", "Pow": "power",
    "Max": "maximum", "Min": "minimum", "OpaqueUnaryFn_sqrt": "sqrt", "OpaqueUnaryFn_log2": "log2",
}  # fmt: skip
"""Functions in torch.export's expressions of sizes -> keras.ops."""


TO_INT = {"CeilToInt": "ceil", "FloorToInt": "floor", "TruncToInt": "trunc", "RoundToInt": "round"}


class SizeTensors:
    """Tensors of the Keras graph that hold or have symbolic sizes; each is made once."""

    def __init__(self, stored: Mapping[Any, Any], space: AxisSpace) -> None:
        self.stored, self.space = stored, space
        self.scalars: dict[Size, Any] = {}
        self.lines: dict[Size, Tensor] = {}

    def tensor(self, size: Any) -> Any:
        """A scalar tensor (or an int) of this size. Raises LoweringError where its arithmetic is unknown."""
        size = simplify_size(size)
        if isinstance(size, int):
            return size
        if size not in self.scalars:
            self.scalars[size] = (
                ops.sum(self.line(size)) if isinstance(size, sympy.Symbol) else self._computed(size)
            )
        return self.scalars[size]

    def _computed(self, size: sympy.Expr) -> Any:
        args = [self.tensor(simplify_size(a)) if not a.is_Float else float(a) for a in size.args]
        if isinstance(size, sympy.Add | sympy.Mul):
            total = args[0]
            for other in args[1:]:
                total = total + other if isinstance(size, sympy.Add) else total * other
            return total
        name = type(size).__name__
        if name in ARITHMETIC:
            return getattr(ops, ARITHMETIC[name])(*args)
        if name in TO_INT:
            return cast(getattr(ops, TO_INT[name])(*args), "int32")
        if name == "ToFloat":
            return cast(args[0], float_dtype())
        raise LoweringError(
            f"the size {size} cannot be computed in Keras", [("next", "make this dimension static")]
        )

    def line(self, size: Size) -> Tensor:
        """`size` int32 ones in a row: taken along a dimension of this size, or made of lines of other sizes.

        Raises LoweringError where no value has this size and it cannot be made.
        """
        size = simplify_size(size)
        if size not in self.lines:
            self.lines[size] = self._along(size) or self._composed(size)
        return self.lines[size]

    def _along(self, size: Size) -> Tensor | None:
        """Ones along a dimension of a value, at position 0 of all others."""
        for value, stored in self.stored.items():
            shape = storage_shape(self.space, value, stored.storage)
            if size in shape:
                at = shape.index(size)
                row = stored.tensor[tuple(slice(None) if d == at else 0 for d in range(len(shape)))]
                return ops.ones_like(row, dtype="int32")  # type: ignore[no-any-return]
        return self._part(size)

    def _part(self, size: Size) -> Tensor | None:
        """Every k-th of the ones along a dimension of k times the size."""
        for value, stored in self.stored.items():
            for whole in storage_shape(self.space, value, stored.storage):
                if not isinstance(whole, int) and isinstance(
                    times := size_quotient(whole, size), int
                ):
                    part: Tensor = self.line(whole)[::times]
                    return part
        return None

    def _composed(self, size: Size) -> Tensor:
        if isinstance(size, int):
            single = ops.reshape(one(float_dtype()), (1,))
            return ops.repeat(cast(single, "int32"), size)  # type: ignore[no-any-return]
        if isinstance(size, sympy.Add) and (made := self._sum(size)) is not None:
            return made
        if isinstance(size, sympy.Mul):
            number, rest = size.as_coeff_Mul()
            if number.is_Integer and number > 1:
                return ops.repeat(self.line(rest), int(number))  # type: ignore[no-any-return]
            if number == 1:
                first, *others = size.args
                table = ops.expand_dims(self.line(first), 1) * self.line(
                    simplify_size(sympy.Mul(*others))
                )
                return ops.reshape(table, (-1,))  # type: ignore[no-any-return]
        if (floor := _floor(size)) is not None:
            return self._floored(*floor)
        if (ceiling := _ceiling(size)) is not None:
            return self.line(ceiling)
        raise LoweringError(
            f"no value has a dimension of the size {size}, and stock Keras cannot make one",
            [("next", "make this dimension static: leave it out of dynamic_shapes")],
        )

    def _sum(self, size: sympy.Add) -> Tensor | None:
        number, rest = size.as_coeff_Add()
        if number.is_Integer and number < 0:
            part: Tensor = self.line(rest)[int(-number) :]
            return part
        if all(t.is_nonnegative for t in size.args):
            return ops.concatenate([self.line(simplify_size(t)) for t in size.args])  # type: ignore[no-any-return]
        # n + floor(a / k) = floor((k n + a) / k), n - floor(a / k) = floor((k n - a + k - 1) / k)
        for term in size.args:
            for sign, carry in ((1, 0), (-1, 1)):
                if (floor := _floor(sign * term)) is not None:
                    dividend, by = floor
                    return self._floored(
                        by * (size - term) + sign * dividend + carry * (by - 1), by
                    )
        return None

    def _floored(self, dividend: Size, by: int) -> Tensor:
        part: Tensor = self.line(simplify_size(dividend))[by - 1 :: by]
        return part


def _floor(size: sympy.Expr) -> tuple[sympy.Expr, int] | None:
    """The dividend and divisor of a floor division by a number."""
    if type(size).__name__ in ("FloorDiv", "CleanDiv") and size.args[1].is_Integer:
        return size.args[0], int(size.args[1])
    return None


def _ceiling(size: sympy.Expr) -> Size | None:
    """Of the count that torch.arange writes with floats, ceil(float(n) / step): the same in whole numbers."""
    if type(size).__name__ != "CeilToInt" or type(size.args[0]).__name__ != "FloatTrueDiv":
        return None
    number, divisor = size.args[0].args
    step = int(divisor)
    if type(number).__name__ != "ToFloat" or step != float(divisor) or step < 1:
        return None
    return simplify_size(FloorDiv(number.args[0] + step - 1, step) if step != 1 else number.args[0])


_current: ContextVar[SizeTensors] = ContextVar("sizes")


@contextmanager
def measuring(sizes: SizeTensors) -> Iterator[SizeTensors]:
    """Let the functions of this file take sizes from the values of the graph that is being lowered."""
    token = _current.set(sizes)
    try:
        yield sizes
    finally:
        _current.reset(token)


def sizes_of(x: Operand) -> tuple[Size, ...]:
    """The stored shape of a converter's operand, dynamic sizes as expressions.

    Raises LookupError for a value that the converter has computed itself and given no sizes.
    """
    sizes = x.sizes if isinstance(x, Tensor) else x.shape
    if sizes is None:
        message = (
            f"the sizes of {x} are not known: they are those of operands, or given by with_sizes"
        )
        raise LookupError(message)
    return sizes


def size_tensor(size: Size) -> Any:
    """A scalar int32 tensor of a symbolic size, or the int itself.

    Raises LoweringError where the size's arithmetic is unknown.
    """
    return _current.get().tensor(size)


def count_positions(size: Size) -> Tensor:
    """0, 1, ... `size - 1` as int32."""
    positions: Tensor = ops.cumsum(_current.get().line(size), axis=0) - 1
    return positions


def number_elements(shape: Sequence[Size]) -> Tensor:
    """The number of each element of this shape in the flat tensor, as int32."""
    last = len(shape) - 1
    total, stride = count_positions(shape[last]), simplify_size(shape[last])
    for size in map(simplify_size, shape[:last][::-1]):
        rows = ops.reshape(count_positions(size) * size_tensor(stride), (-1, *(1,) * total.ndim))
        total, stride = ops.expand_dims(total, 0) + rows, simplify_size(stride * size)
    return total


def ones(shape: Sequence[Size], dtype: Any) -> Tensor:
    """Ones of a shape with dynamic sizes."""
    total: Any = None
    for position, size in _dynamic(shape):
        line = ops.reshape(
            _current.get().line(size), tuple(-1 if d == position else 1 for d in range(len(shape)))
        )
        total = line if total is None else total * line
    if total is None:
        total = ops.reshape(one(float_dtype()), (1,) * len(shape))
    fixed = tuple(s if isinstance(s, int) else 1 for s in map(simplify_size, shape))
    total = ops.tile(total, fixed) if any(s != 1 for s in fixed) else total
    return cast(total, dtype)  # type: ignore[no-any-return]


def broadcast_to(x: Operand, shape: Sequence[Size], have: Sequence[Size] | None = None) -> Operand:
    """`x` with its dimensions of size one, and missing ones in front, stretched to `shape`; `have` is its own shape."""
    have, want = (
        tuple(map(simplify_size, sizes_of(x) if have is None else have)),
        tuple(map(simplify_size, shape)),
    )
    if have == want:
        return x
    if all(isinstance(s, int) for s in want):
        return ops.broadcast_to(x, want)  # type: ignore[no-any-return]
    missing = len(want) - len(have)
    have = (1,) * missing + have
    x = x.expand_dims(*range(missing))
    grows = [size if own == 1 else 1 for own, size in zip(have, want, strict=True)]
    stretch = [1 if isinstance(size, int) else size for size in grows]
    if any(s != 1 for s in stretch):
        factor = ones(stretch, x.dtype)
        x = ops.logical_and(x, factor) if x.is_bool else ops.multiply(x, factor)
    fixed = tuple(size if isinstance(size, int) else 1 for size in grows)
    return ops.tile(x, fixed) if any(s != 1 for s in fixed) else x


def _dynamic(shape: Sequence[Size]) -> Iterator[tuple[int, Size]]:
    return ((d, s) for d, s in enumerate(map(simplify_size, shape)) if not isinstance(s, int))
