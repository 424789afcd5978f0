"""Symbolic sizes that torch.export knows to be multiples of a number.

Where forward needs a size s to be a multiple of k, torch.export keeps s, writes s//k for its parts,
and a guard beside it. Written as s = k u, every size is a polynomial again: (s//k) k = s is seen,
and reshapes of it can be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

import sympy
from torch.utils._sympy.functions import FloorDiv

Clause: TypeAlias = tuple[sympy.Basic, ...]
"""Alternatives, of which one holds."""


def find_divisible_symbols(
    guards: Iterable[sympy.Basic], hints: Mapping[sympy.Symbol, int]
) -> dict[sympy.Symbol, sympy.Expr]:
    """Map each symbol s that is a multiple of a k > 1 to k u, with u a new symbol.

    All `guards` hold. `hints` are the numbers that the symbols had in the example.
    """
    clauses = list(map(sympy.Or.make_args, guards))
    found: dict[sympy.Symbol, sympy.Expr] = {}
    for symbol, hint in hints.items():
        about = [clause for clause in clauses if _mentions(clause, symbol)]
        factor = 1
        for divisor in _find_divisors(about, symbol):
            if hint % divisor == 0 and _allow_only_multiples(about, symbol, divisor):
                factor = math.lcm(factor, divisor)
        if factor > 1:
            found[symbol] = factor * sympy.Symbol(f"{symbol}_{factor}", integer=True, positive=True)
    return found


def _mentions(clause: Clause, symbol: sympy.Symbol) -> bool:
    return any(symbol in part.free_symbols for part in clause)


def _find_divisors(clauses: Sequence[Clause], symbol: sympy.Symbol) -> set[int]:
    """Find the numbers by which a sum with `symbol` in it is divided somewhere."""
    found: set[int] = set()
    for alternative in chain.from_iterable(clauses):
        for part in sympy.preorder_traversal(alternative):
            if not (isinstance(part, FloorDiv) or _is_remainder(part)):
                continue
            dividend, by = part.args
            if by.is_Integer and by > 1 and symbol in dividend.free_symbols:
                found.add(int(by))
    return found


def _allow_only_multiples(clauses: Sequence[Clause], symbol: sympy.Symbol, divisor: int) -> bool:
    """Whether each remainder of `symbol` by `divisor` but 0 contradicts one of the clauses."""
    quotient = sympy.Symbol("u", integer=True, positive=True)
    for rest in range(1, divisor):
        size = divisor * quotient + rest
        if not any(_contradicts(clause, symbol, size) for clause in clauses):
            return False
    return True


def _contradicts(clause: Clause, symbol: sympy.Symbol, size: sympy.Expr) -> bool:
    """Whether no alternative of a clause can hold where `symbol` is `size`."""
    return all(_is_false(part.subs(symbol, size)) for part in clause)


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
