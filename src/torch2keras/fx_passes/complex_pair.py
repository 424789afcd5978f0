"""A complex value as a pair of real ones, and how ops act on such pairs.

Most ops treat all numbers alike: they move or copy them, or are linear. Of these one rule is right (`partwise`). A
product of two is `bilinear`. The others are written out in complex_rules.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch._ops import OpOverload

KEPT = ("condition", "index", "indices", "mask")
"""Schema names of tensors that say which numbers are meant, and are none themselves."""


NUMBERS = ("other", "value", "fill_value")
"""Schema names of Python numbers that stand for a tensor; other numbers are sizes, dims and factors."""


class Pair(NamedTuple):
    """Real and imaginary part, of one shape and dtype."""

    re: Any
    im: Any


Rule = Callable[..., Any]


def pair(value: Any) -> Pair:
    """A tensor or number as a pair; of a real one the imaginary part is zero."""
    if isinstance(value, Pair):
        return value
    if isinstance(value, torch.Tensor):
        return Pair(value, torch.zeros_like(value))
    return Pair(value.real, value.imag) if isinstance(value, complex) else Pair(value, 0)


def partwise(op: OpOverload) -> Rule:
    """`op` on both parts."""
    schema = op._schema.arguments
    by_name = {argument.name: argument for argument in schema}

    def rule(*args: Any, **kwargs: Any) -> Any:
        results = [
            op(
                *(
                    _part(value, argument.name, part)
                    for value, argument in zip(args, schema, strict=False)
                ),
                **{name: _part(value, by_name[name].name, part) for name, value in kwargs.items()},
            )
            for part in (0, 1)
        ]
        return _zipped(*results)

    return rule


def _part(value: Any, name: str, part: int) -> Any:
    if name in KEPT:
        return value
    if isinstance(value, Pair | torch.Tensor) or (
        name in NUMBERS and isinstance(value, int | float | complex)
    ):
        return pair(value)[part]
    if isinstance(value, list | tuple):
        return [_part(member, name, part) for member in value]
    if isinstance(value, torch.dtype):
        return real_dtype(value)
    if isinstance(value, complex):
        message = f"{name}={value} on complex numbers"
        raise NotImplementedError(message)
    return value


def _zipped(re: Any, im: Any) -> Any:
    if isinstance(re, torch.Tensor):
        return Pair(re, im)
    return [Pair(a, b) for a, b in zip(re, im, strict=True)]


def real_dtype(dtype: torch.dtype) -> torch.dtype:
    """complex64 -> float32; real types as they are."""
    return dtype.to_real() if dtype.is_complex else dtype


def bilinear(op: Callable[..., Any]) -> Rule:
    """A product of two operands, of which one may be real: terms with a part that is not there are left out."""

    def rule(a: Any, b: Any) -> Pair:
        (ar, ai), (br, bi) = _sparse(a), _sparse(b)

        def terms(*factors: tuple[Any, Any]) -> list[Any]:
            return [op(x, y) for x, y in factors if x is not None and y is not None]

        re, less, im = terms((ar, br)), terms((ai, bi)), terms((ar, bi), (ai, br))
        real: Any = re[0] - less[0] if re and less else re[0] if re else -less[0] if less else None
        imag: Any = im[0] + im[1] if len(im) == 2 else im[0] if im else None
        return Pair(
            torch.zeros_like(imag) if real is None else real,
            torch.zeros_like(real) if imag is None else imag,
        )

    return rule


def _sparse(value: Any) -> Pair:
    """As a pair, None for a part that is known to be zero."""
    if isinstance(value, Pair):
        return value
    if isinstance(value, complex):
        return Pair(value.real or (None if value.imag else value.real), value.imag or None)
    return Pair(value, None)
