"""The sizes that a captured graph holds for, as conditions on the symbols of its inputs.

They are torch.export's bounds, without those that come of a branch whose other way was tried and
gave the same numbers; and each check of sizes at which forward itself raises.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import sympy

from torch2keras.capture.attempts import Exported
from torch2keras.capture.captured import user_values
from torch2keras.capture.sizes.size_limits import Limits
from torch2keras.capture.sizes.size_trials import Outcome
from torch2keras.fx_passes.fake_values import symbolic_expression

EXPORT_MINIMUM = 2
"""torch.export gives every dynamic size this lower bound, since it specializes on 0 and 1: it
says nothing."""


def list_size_conditions(exported: Exported, limits: Limits) -> tuple[Any, ...]:
    """Return the conditions as sympy expressions, each once."""
    symbols = _find_free_symbols(exported)
    conditions: list[Any] = []
    for symbol, bounds in exported.program.range_constraints.items():
        if symbol in symbols:
            conditions += _list_bounds(symbol, bounds, limits)
    for condition in limits.conditions:
        if condition.free_symbols <= symbols and not _is_bound(condition):
            conditions.append(condition)
    return tuple(dict.fromkeys(conditions))


def _find_free_symbols(exported: Exported) -> set[Any]:
    """Return the symbols of the sizes of the inputs."""
    found: set[Any] = set()
    for value in user_values(exported.program):
        for size in value.shape:
            expression = symbolic_expression(size)
            if expression is not None:
                found |= expression.free_symbols
    return found


def _list_bounds(symbol: Any, bounds: Any, limits: Limits) -> Iterator[Any]:
    """Yield the bounds of a symbol.

    One that comes of a branch whose other way gave the same numbers is no bound; then that is one
    behind which the module raises.
    """
    same = _list_sizes(symbol, Outcome.AGREES, limits)
    raising = _list_sizes(symbol, Outcome.RAISES, limits)
    lower, upper = bounds.lower, bounds.upper
    if any(size < lower for size in same):
        lower = max((size + 1 for size in raising if size < min(same)), default=0)
    if any(size > upper for size in same):
        upper = min((size - 1 for size in raising if size > max(same)), default=sys.maxsize)
    if lower > EXPORT_MINIMUM:
        yield sympy.Ge(symbol, lower)
    if upper < sys.maxsize - 1:
        yield sympy.Le(symbol, upper)


def _list_sizes(symbol: Any, wanted: Outcome, limits: Limits) -> list[int]:
    sizes = []
    for (other, size), outcome in limits.outcomes.items():
        if other == symbol and outcome is wanted:
            sizes.append(size)
    return sizes


def _is_bound(condition: Any) -> bool:
    """Whether a condition is a bound of one symbol, which torch.export has among its own."""
    if not isinstance(condition, sympy.Ge | sympy.Gt | sympy.Le | sympy.Lt):
        return False
    left, right = condition.args
    return bool((left.is_Symbol and right.is_Integer) or (left.is_Integer and right.is_Symbol))
