"""Symbolic sizes that torch.export knows to be multiples of a number.

Where forward needs a size s to be a multiple of k, torch.export keeps s, writes s//k for its parts, and a guard beside
it. Written as s = k u, every size is a polynomial again: (s//k) k = s is seen, and reshapes of it can be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import sympy
from torch.utils._sympy.functions import FloorDiv

Clause: TypeAlias = tuple[sympy.Basic, ...]
"""Alternatives, of which one holds."""


def find_divisible_symbols(
    guards: Iterable[sympy.Basic], hints: Mapping[sympy.Symbol, int]
) -> dict[sympy.Symbol, sympy.Expr]:
    """Map s to k u, for each symbol s of `guards` (which all hold) that is a multiple of k > 1, with u a new symbol.

    `hints` are the numbers that the symbols had in the example.
    """
    clauses = [sympy.Or.make_args(guard) for guard in guards]
    found: dict[sympy.Symbol, sympy.Expr] = {}
    for symbol, hint in hints.items():
        about = [
            clause for clause in clauses if any(symbol in part.free_symbols for part in clause)
        ]
        divisors = [
            k
            for k in _divisors(about, symbol)
            if hint % k == 0 and _only_multiples(about, symbol, k)
        ]
        factor = math.lcm(*divisors)
        if factor > 1:
            found[symbol] = factor * sympy.Symbol(f"{symbol}_{factor}", integer=True, positive=True)
    return found


def _divisors(clauses: Sequence[Clause], symbol: sympy.Symbol) -> set[int]:
    """The numbers by which a sum with `symbol` in it is divided somewhere."""
    parts = (
        p
        for clause in clauses
        for alternative in clause
        for p in sympy.preorder_traversal(alternative)
    )
    divisions = [p.args for p in parts if isinstance(p, FloorDiv) or _is_remainder(p)]
    return {
        int(by)
        for dividend, by in divisions
        if by.is_Integer and by > 1 and symbol in dividend.free_symbols
    }


def _only_multiples(clauses: Sequence[Clause], symbol: sympy.Symbol, divisor: int) -> bool:
    """Whether each remainder of `symbol` by `divisor` other than 0 contradicts one of the clauses."""
    quotient = sympy.Symbol("u", integer=True, positive=True)
    return all(
        any(
            all(_is_false(part.subs(symbol, divisor * quotient + rest)) for part in clause)
            for clause in clauses
        )
        for rest in range(1, divisor)
    )


def _is_remainder(expression: sympy.Basic) -> bool:
    return type(expression).__name__ in ("Mod", "PythonMod")


def _is_false(claim: sympy.Basic) -> bool:
    if isinstance(claim, sympy.Eq):
        # Of a remainder nothing is known, a floor division splits off what divides.
        difference = (claim.lhs - claim.rhs).replace(
            _is_remainder, lambda p: p.args[0] - p.args[1] * FloorDiv(*p.args)
        )
        return sympy.expand(difference).is_nonzero is True
    return claim is sympy.false
