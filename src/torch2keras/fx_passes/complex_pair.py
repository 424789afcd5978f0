"""A complex value as a pair of real ones, and how ops act on such pairs.

Most ops treat all numbers alike: they move or copy them, or are linear. For these, one rule is
right: the op acts on each part (`partwise`). A product of two operands is `bilinear`. The other
rules are written out in complex_rules.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch._ops import OpOverload

SELECTORS = ("condition", "index", "indices", "mask")
"""Schema names of tensors that say which numbers are meant, and hold no complex numbers."""


NUMBERS = ("other", "value", "fill_value")
"""Schema names of Python numbers that stand for a tensor; others are sizes, dims, factors."""


class Pair(NamedTuple):
    """Real and imaginary part, of one shape and dtype."""

    re: Any
    im: Any


Rule = Callable[..., Any]


def pair(value: Any) -> Pair:
    """A tensor or number as a pair, with an imaginary part of zero where it is real."""
    if isinstance(value, Pair):
        return value
    if isinstance(value, torch.Tensor):
        return Pair(value, torch.zeros_like(value))
    if isinstance(value, complex):
        return Pair(value.real, value.imag)
    return Pair(value, 0)


def partwise(op: OpOverload) -> Rule:
    """The rule that applies `op` to the real parts and to the imaginary parts."""
    names = [argument.name for argument in op._schema.arguments]

    def run_on(part: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        positional = [_part(value, name, part) for value, name in zip(args, names, strict=False)]
        by_name = {name: _part(value, name, part) for name, value in kwargs.items()}
        return op(*positional, **by_name)

    def rule(*args: Any, **kwargs: Any) -> Any:
        re, im = run_on(0, args, kwargs), run_on(1, args, kwargs)
        if isinstance(re, torch.Tensor):
            return Pair(re, im)
        return list(map(Pair, re, im))

    return rule


def _part(value: Any, name: str, part: int) -> Any:
    """The real (0) or imaginary (1) part of the argument that the schema calls `name`.

    Raises NotImplementedError for a complex number that is a factor, as `alpha` of a sum.
    """
    if name in SELECTORS:
        return value
    if isinstance(value, Pair | torch.Tensor):
        return pair(value)[part]
    if name in NUMBERS and isinstance(value, int | float | complex):
        return pair(value)[part]
    if isinstance(value, list | tuple):
        return [_part(member, name, part) for member in value]
    if isinstance(value, torch.dtype):
        return real_dtype(value)
    if isinstance(value, complex):
        message = f"{name}={value} on complex numbers"
        raise NotImplementedError(message)
    return value


def real_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of the parts of a complex dtype (complex64: float32); a real dtype as it is."""
    return dtype.to_real() if dtype.is_complex else dtype


def bilinear(op: Callable[..., Any]) -> Rule:
    """The rule of a product: (ar + i ai) (br + i bi) = (ar br - ai bi) + i (ar bi + ai br).

    A part that is known to be zero costs nothing: the terms with it are left out.
    """

    def product(first: Any, second: Any) -> Any:
        if first is None or second is None:
            return None
        return op(first, second)

    def rule(a: Any, b: Any) -> Pair:
        (ar, ai), (br, bi) = _sparse_pair(a), _sparse_pair(b)
        re = _subtract(product(ar, br), product(ai, bi))
        im = _add(product(ar, bi), product(ai, br))
        if re is None:
            re = torch.zeros_like(im)
        if im is None:
            im = torch.zeros_like(re)
        return Pair(re, im)

    return rule


def _sparse_pair(value: Any) -> Pair:
    """A value as a pair, with None for a part that is known to be zero; 0 keeps its real part."""
    if isinstance(value, Pair):
        return value
    if not isinstance(value, complex):
        return Pair(value, None)
    if value.imag == 0:
        return Pair(value.real, None)
    return Pair(value.real or None, value.imag)


def _add(first: Any, second: Any) -> Any:
    """The sum of two terms of which each may be missing (None)."""
    if second is None:
        return first
    return second if first is None else first + second


def _subtract(first: Any, second: Any) -> Any:
    """The difference of two terms of which each may be missing (None)."""
    if second is None:
        return first
    return -second if first is None else first - second
