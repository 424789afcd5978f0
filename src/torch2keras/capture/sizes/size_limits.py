"""Branches on sizes that hold for some sizes alone, and whether the captured graph suffers by it.

What forward does `if x.shape[0] > 8` is captured as for the example. For each such condition a
size is looked for at which it is answered otherwise; the module and the captured graph are run at
that size. Where they agree (both branches compute the same), or the module raises (the branch is a
check), the size stays dynamic; where they differ, the graph holds for the example's size alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy
import torch
from torch.utils._sympy.functions import Mod, PythonMod

from torch2keras.capture.attempts import Exported
from torch2keras.capture.captured import Captured, user_values
from torch2keras.capture.example_inputs import ExampleCall
from torch2keras.capture.sizes.asked_dims import AskedDim
from torch2keras.capture.sizes.size_trials import (
    Outcome,
    Sizes,
    SizeTrials,
    as_integers,
    find_symbols,
)
from torch2keras.capture.sizes.size_uses import Branch, BranchKind, LinePlace
from torch2keras.errors import list_names
from torch2keras.fx_passes.fake_values import symbolic_expression

FIRST_SIZES = range(1, 17)

PLACES_SHOWN = 3

NOWHERE = LinePlace("", None)


@dataclass(frozen=True)
class Limit:
    """A symbol for which a branch gives something else at another size."""

    symbol: Any
    size: int
    place: LinePlace
    outcome: Outcome = Outcome.DIFFERS
    """What becomes of it at that size."""


@dataclass
class Limits:
    """What was found of the branches on sizes.

    `found` holds the symbols that have to be fixed; for the others, `same` and `checks` tell at
    which sizes the other way was taken, by the places of the branches: the numbers were the same
    there, or the module raised. `untried` are those whose other way takes too large inputs.
    `conditions` are those of branches that it raises without, or that were not tried, and
    `outcomes` is what it does at each size, (symbol, size), that was tried.
    """

    found: dict[Any, Limit] = field(default_factory=dict)
    same: dict[LinePlace, int] = field(default_factory=dict)
    checks: dict[LinePlace, int] = field(default_factory=dict)
    untried: dict[LinePlace, int] = field(default_factory=dict)
    conditions: list[Any] = field(default_factory=list)
    outcomes: Mapping[tuple[Any, int], Outcome] = field(default_factory=dict)

    @property
    def places_by_outcome(self) -> Mapping[Outcome, dict[LinePlace, int]]:
        """The places of branches, by what becomes of them at a size that goes the other way."""
        return {
            Outcome.AGREES: self.same,
            Outcome.RAISES: self.checks,
            Outcome.UNTRIED: self.untried,
        }

    def list_notes(self) -> list[str]:
        """Return sentences on the symbols that need not be fixed."""
        notes = []
        for place, size in self.checks.items():
            notes.append(
                f"A check of sizes at {place} is left out: the module itself raises an error for "
                f"size {size}, the model does not."
            )
        for place, size in self.untried.items():
            notes.append(
                f"A branch on a size at {place} is taken as for the example; size {size}, which "
                "goes the other way, was not tried."
            )
        if self.same:
            places = list_names(list(map(str, self.same)), PLACES_SHOWN)
            sizes = list_names([str(size) for size in sorted(set(self.same.values()))])
            notes.append(
                f"Branches on sizes are taken as for the example, at {places}; for size {sizes}, "
                "which goes the other way, the numbers are the same."
            )
        return notes


def find_size_limits(
    call: ExampleCall, exported: Exported, captured: Captured, asked: Sequence[AskedDim]
) -> Limits:
    """Try each branch on a size that is still dynamic at sizes that go the other way.

    Only sizes within the bounds that were asked for are tried.
    """
    sizes = find_symbols(exported)
    trials = SizeTrials(call, exported, captured, sizes)
    limits = Limits(outcomes=trials.outcomes)
    for branch in _list_branches(exported, sizes):
        free = branch.condition.free_symbols & set(sizes) - set(limits.found)
        for symbol in sorted(free, key=str):
            turned = _find_turned_sizes(branch, symbol, sizes)
            for request in _find_requests(asked, exported, symbol):
                turned = list(filter(request.allows, turned))
            if branch.kind is not BranchKind.LOOKS_UP:
                turned = list(dict.fromkeys([*turned[:1], *turned[-1:]]))
            _try_branch(limits, trials, symbol, turned, branch)
    return limits


def _try_branch(
    limits: Limits, trials: SizeTrials, symbol: Any, turned: Sequence[int], branch: Branch
) -> None:
    """Add to the limits what becomes of a symbol at sizes that turn a branch.

    Of a question whether a size is a number, torch.export knows nothing: there all but the same
    numbers is a limit, as it would be for torch.export. What an op assumes is one wherever the
    module takes other sizes, even where the graph, run by PyTorch, does too: its shapes are wrong.
    """
    for size in turned:
        outcome = trials.try_size(symbol, size)
        if branch.kind is BranchKind.ASSUMED:
            if outcome is not Outcome.RAISES:
                limits.found[symbol] = Limit(symbol, size, branch.place, outcome)
            continue
        is_known = outcome is Outcome.AGREES or branch.kind is BranchKind.COMPARES
        if outcome is Outcome.DIFFERS or not is_known:
            limits.found[symbol] = Limit(symbol, size, branch.place, outcome)
            return
        if outcome is not Outcome.AGREES:
            limits.conditions.append(branch.held)
        if branch.place != NOWHERE:
            limits.places_by_outcome[outcome].setdefault(branch.place, size)


def _find_requests(asked: Sequence[AskedDim], exported: Exported, symbol: Any) -> list[AskedDim]:
    """Return the dims whose size is this symbol."""
    values = user_values(exported.program)
    return [
        one for one in asked if symbolic_expression(values[one.position].shape[one.dim]) == symbol
    ]


def _list_branches(exported: Exported, sizes: Sizes) -> Iterator[Branch]:
    """Yield the branches on sizes, in terms of the symbols that are left.

    Dynamo does not run forward, so that no branch is seen there: its guards stand for them, and the
    question whether a size is 1, for which it leaves no guard.
    """
    environment = _find_environment(exported)
    if environment is None:
        return
    for branch in exported.uses.branches.values():
        condition = environment.replace(branch.condition)
        yield replace(branch, condition=condition)
    if not exported.attempt.strict:
        yield from _list_assumptions(exported, environment, sizes)
        return
    for guard in environment.guards:
        place = LinePlace(guard.sloc.maybe_user_loc or "", None)
        yield Branch(environment.replace(guard.expr), answer=True, place=place)
    for symbol in sizes:
        yield Branch(sympy.Eq(symbol, 1), answer=False, place=NOWHERE)


def _list_assumptions(exported: Exported, environment: Any, sizes: Sizes) -> Iterator[Branch]:
    """Yield what ops of PyTorch took a sum or quotient of sizes to be: a number.

    A view into parts of which one is 1 in the example does so, say n // 5 for n = 5. Of a single
    size torch.export makes that number itself.
    """
    asked = {environment.replace(branch.condition) for branch in exported.uses.branches.values()}
    for guard in environment.guards:
        claim = environment.replace(guard.expr)
        if claim in asked or not isinstance(claim, sympy.Eq) or claim.lhs.is_Symbol:
            continue
        if claim.rhs.is_Integer and claim.lhs.free_symbols <= set(sizes) and not _is_rest(claim):
            yield Branch(claim, answer=True, place=NOWHERE, kind=BranchKind.ASSUMED)


def _is_rest(claim: Any) -> bool:
    """Whether a claim is that a size can be divided."""
    return bool(claim.lhs.has(Mod, PythonMod))


def _find_environment(exported: Exported) -> Any:
    """Return PyTorch's ShapeEnv of an export; None where no input has a dynamic size."""
    for value in user_values(exported.program):
        for size in value.shape:
            if isinstance(size, torch.SymInt):
                return size.node.shape_env
    return None


def _find_turned_sizes(branch: Branch, symbol: Any, sizes: Sizes) -> list[int]:
    """Return sizes in place of `symbol` for which a branch is answered otherwise, rising."""
    others = {other: size for other, size in sizes.items() if other != symbol}
    condition = branch.condition.xreplace(as_integers(others))
    tried: set[int] = set()
    if branch.kind is BranchKind.COMPARES:
        tried |= set(FIRST_SIZES)
        for number in condition.atoms(sympy.Integer):
            tried |= {int(number) - 1, int(number), int(number) + 1}
    else:  # multiples fit where a size has to be even, or the like
        tried |= {2 * sizes[symbol], 3 * sizes[symbol]}
    if branch.kind is BranchKind.LOOKS_UP:
        tried |= set(FIRST_SIZES)
    turned = []
    for size in sorted(size for size in tried if size > 0):
        answer = condition.xreplace(as_integers({symbol: size}))
        if answer in (sympy.true, sympy.false) and bool(answer) != branch.answer:
            turned.append(size)
    return turned
