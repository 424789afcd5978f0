"""Symbolic sizes as tensors, each made once: stock Keras has no symbolic shape.

A dynamic size is measured on a value that has it, as a row of ones along that dimension; other
sizes are computed of such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from torch.utils._sympy.functions import FloorDiv

from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Size
from torch2keras.graph.symbolic import simplify_size, size_quotient
from torch2keras.lower.recorder import Tensor, cast, float_dtype, one, ops

ARITHMETIC = {
    "FloorDiv": "floor_divide",
    "CleanDiv": "floor_divide",
    "IntTrueDiv": "true_divide",
    "FloatTrueDiv": "true_divide",
    "Mod": "mod",
    "PythonMod": "mod",
    "FloatPow": "power",
    "PowByNatural": "power",
    "Pow": "power",
    "Max": "maximum",
    "Min": "minimum",
    "OpaqueUnaryFn_sqrt": "sqrt",
    "OpaqueUnaryFn_log2": "log2",
}
"""Functions in torch.export's expressions of sizes -> keras.ops."""

TO_INT = {
    "CeilToInt": "ceil",
    "FloorToInt": "floor",
    "TruncToInt": "trunc",
    "RoundToInt": "round",
}
"""Functions in these expressions that round a float to an integer -> keras.ops."""

MOST_PARTS = 64
"""The largest denominator of a factor by which a size is computed in whole numbers."""

LONGEST = 100_000

Measured = tuple[Tensor, Sequence[Size]]
"""A value, and its stored shape with dynamic sizes as expressions."""


class SizeTensors:
    """Tensors of the Keras graph that hold or have symbolic sizes; each is made once.

    `values` gives what sizes can be measured on: the values that are there when it is called.
    """

    def __init__(self, values: Callable[[], Iterable[Measured]]) -> None:
        self.values = values
        self.scalars: dict[Size, Any] = {}
        self.rows: dict[Size, Tensor] = {}

    def scalar(self, size: Any) -> Any:
        """Return a scalar tensor of this size, or an int.

        Raises LoweringError where its arithmetic is unknown or no value has what it is made of.
        """
        size = simplify_size(size)
        if isinstance(size, int):
            return size
        if size not in self.scalars:
            measured = isinstance(size, sympy.Symbol)
            self.scalars[size] = ops.sum(self.row(size)) if measured else self._compute(size)
        return self.scalars[size]

    def _compute(self, size: sympy.Expr) -> Any:
        """Return a scalar tensor by the expression's own arithmetic."""
        terms = [float(term) if term.is_Float else self.scalar(term) for term in size.args]
        if isinstance(size, sympy.Add | sympy.Mul):
            total = terms[0]
            for other in terms[1:]:
                total = total + other if isinstance(size, sympy.Add) else total * other
            return total
        name = type(size).__name__
        if name in ARITHMETIC:
            return getattr(ops, ARITHMETIC[name])(*terms)
        if name in TO_INT:
            return cast(getattr(ops, TO_INT[name])(*terms), "int32")
        if name == "ToFloat":
            return cast(terms[0], float_dtype())
        raise LoweringError(
            f"the size {size} cannot be computed in Keras", [("next", "make this dimension static")]
        )

    def row(self, size: Size) -> Tensor:
        """Return `size` int32 ones in a row.

        They are taken along a dimension of this size, or made of rows of other sizes. Raises
        LoweringError where no value has this size and it cannot be made.
        """
        size = simplify_size(size)
        if size not in self.rows:
            row = self._measure(size)
            self.rows[size] = self._compose(size) if row is None else row
        return self.rows[size]

    def _measure(self, size: Size) -> Tensor | None:
        """Return ones along a dimension of a value, at position 0 of all others.

        Where no dimension has this size but one of k times the size, every k-th of its ones.
        """
        for tensor, shape in self.values():
            if size in shape:
                index: list[Any] = [0] * len(shape)
                index[list(shape).index(size)] = slice(None)
                line = tensor[tuple(index)]
                return ops.ones_like(line, dtype="int32")  # type: ignore[no-any-return]
        for _, shape in self.values():
            for whole in shape:
                times = None if isinstance(whole, int) else size_quotient(whole, size)
                if isinstance(times, int):
                    return self.row(whole)[::times]  # type: ignore[no-any-return]
        return None

    def _compose(self, size: Size) -> Tensor:
        """Return a row made of rows of other sizes."""
        row = None
        floor = _match_floor(size)
        if isinstance(size, int):
            single = cast(ops.reshape(one(float_dtype()), (1,)), "int32")
            row = ops.repeat(single, size)
        elif isinstance(size, sympy.Add):
            row = self._add(size)
        elif isinstance(size, sympy.Mul):
            row = self._multiply(size)
        elif floor is not None:
            row = self._divide(*floor)
        elif (ceiling := _match_ceiling(size)) is not None:
            row = self.row(ceiling)
        if row is None:
            raise LoweringError(
                f"no value has a dimension of the size {size}, nor one that it is made of",
                [("next", "make this dimension static: leave it out of dynamic_shapes")],
            )
        return row  # type: ignore[no-any-return]

    def _add(self, size: sympy.Add) -> Tensor | None:
        """Return the row of a sum: a part of one, several one after the other, or a floor's."""
        number, rest = size.as_coeff_Add()
        if number.is_Integer and number < 0:
            return self.row(rest)[int(-number) :]  # type: ignore[no-any-return]
        if all(term.is_nonnegative for term in size.args):
            rows = list(map(self.row, size.args))
            return ops.concatenate(rows)  # type: ignore[no-any-return]
        # n + floor(a / k) = floor((k n + a) / k), n - floor(a / k) = floor((k n - a + k - 1) / k)
        for term in size.args:
            rest = size - term
            if (floor := _match_floor(term)) is not None:
                dividend, by = floor
                return self._divide(by * rest + dividend, by)
            if (floor := _match_floor(-term)) is not None:
                dividend, by = floor
                return self._divide(by * rest - dividend + by - 1, by)
        return None

    def _multiply(self, size: sympy.Mul) -> Tensor | None:
        """Return the row of a product: a row repeated, or a flat table of two."""
        number, rest = size.as_coeff_Mul()
        if number.is_Integer and number > 1:
            return ops.repeat(self.row(rest), int(number))  # type: ignore[no-any-return]
        if number != 1:
            return None
        first, *others = size.args
        table = ops.expand_dims(self.row(first), 1) * self.row(sympy.Mul(*others))
        return ops.reshape(table, (-1,))  # type: ignore[no-any-return]

    def _divide(self, dividend: Size, by: int) -> Tensor:
        """Return the row of a floor division: every `by`-th one of the dividend's."""
        return self.row(dividend)[by - 1 :: by]  # type: ignore[no-any-return]


def _match_floor(size: Any) -> tuple[sympy.Expr, int] | None:
    """Return the dividend and divisor of a floor division by a number."""
    if type(size).__name__ in ("FloorDiv", "CleanDiv") and size.args[1].is_Integer:
        return size.args[0], int(size.args[1])
    return _match_scaled(size)


def _match_scaled(size: Any) -> tuple[sympy.Expr, int] | None:
    """Return trunc(c * float(n)), the size behind a factor, as a floor division of a multiple.

    None where rounding makes another number of the product for one of the first `LONGEST` n.
    """
    if type(size).__name__ not in ("TruncToInt", "FloorToInt"):
        return None
    factor, number = size.args[0].as_coeff_Mul()
    if type(number).__name__ != "ToFloat" or not factor.is_Float or factor < 0:
        return None
    ratio = Fraction(float(factor)).limit_denominator(MOST_PARTS)
    lengths = np.arange(LONGEST)
    quotients = lengths * ratio.numerator // ratio.denominator
    if not np.array_equal(np.trunc(lengths * float(factor)), quotients):
        return None
    return ratio.numerator * number.args[0], ratio.denominator


def _match_ceiling(size: Any) -> Size | None:
    """Return ceil(float(n) / step), the count that torch.arange writes, in whole numbers."""
    if type(size).__name__ != "CeilToInt" or type(size.args[0]).__name__ != "FloatTrueDiv":
        return None
    number, divisor = size.args[0].args
    step = int(divisor)
    if type(number).__name__ != "ToFloat" or step != float(divisor) or step < 1:
        return None
    if step == 1:
        return simplify_size(number.args[0])
    return simplify_size(FloorDiv(number.args[0] + step - 1, step))
