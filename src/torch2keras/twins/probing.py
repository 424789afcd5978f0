"""Choices between layers that look alike, decided by what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np

from torch2keras.twins.assignments import Plan
from torch2keras.twins.matching import AtomPair, How, Match, find_suspects
from torch2keras.twins.sides import Sides, prove_guesses
from torch2keras.twins.walk import Walk, walk

MOST_ORDERS = 24
"""The number of orders of one class of look-alikes that are tried: all of up to four."""

MOST_WALKS = 60


@dataclass
class Probed:
    """The matching that was found best, and the walk with it."""

    match: Match
    plan: Plan
    walk: Walk
    suspects: list[AtomPair]
    """Layers of one kind at one place that have other sizes."""


def probe_match(sides: Sides, inputs: tuple[Sequence[np.ndarray], Sequence[np.ndarray]]) -> Probed:
    """Pair the atoms of both sides, and let the same inputs decide between those that look alike.

    A pair of the best order counts as proven where no value differs from the module's any more.
    """
    choices: dict[int, Sequence[int]] = {}
    best = _walk_with(sides, choices, inputs, None)
    walks = 1
    for group, size in best.match.groups.items():
        if not best.walk.divergences:
            break
        for order in islice(permutations(range(size)), 1, MOST_ORDERS):
            if walks >= MOST_WALKS:
                break
            walks += 1
            other = _walk_with(sides, {**choices, group: order}, inputs, best.walk)
            if _badness(other.walk) < _badness(best.walk):
                best, choices = other, {**choices, group: order}
    _mark_proven(sides, best)
    return best


def _walk_with(
    sides: Sides,
    choices: dict[int, Sequence[int]],
    inputs: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
    known: Walk | None,
) -> Probed:
    """Match with some choices, and run both sides."""
    match = sides.match(choices)
    plan = sides.plan(match)
    values = None if known is None else known.values
    suspects = find_suspects(match, (sides.module.atoms, sides.atoms))
    pairs = match.pairs, suspects
    found = walk(sides.module, sides.twin, pairs, plan, inputs, values)
    if found.rows:
        plan = sides.plan(match, found.rows)
    return Probed(match, plan, found, suspects)


def _badness(found: Walk) -> tuple[int, float]:
    """Return how many values differ, and by how much in all."""
    errors = [min(divergence.error, 1.0) for divergence in found.divergences]
    return len(errors), sum(errors)


def _mark_proven(sides: Sides, probed: Probed) -> None:
    """Mark the guesses that the walk has proven: with them, what reads the layer is equal."""
    if probed.walk.stopped:
        return
    if not probed.walk.divergences:
        prove_guesses(probed.match)
        return
    doubtful: set[int] = set()
    is_output_wrong = False
    for divergence in probed.walk.divergences:
        pair = divergence.checkpoint.pair
        if pair is None:
            is_output_wrong = True
        else:
            doubtful.add(id(pair.ours))
    for pair in probed.match.pairs:
        readers = [id(sides.module.atoms[place]) for place in pair.ours.after]
        is_wrong = bool(doubtful.intersection([id(pair.ours), *readers]))
        if not readers:
            is_wrong = is_wrong or is_output_wrong
        if pair.how is How.ORDER and not is_wrong:
            pair.how = How.PROBE
