"""Layers cut into their single weights, where the two sides hold the same weights otherwise.

A layer that somebody wrote has a kernel and a bias of its own where the module's side has one Dense
layer, and a norm that is written out in a module is one layer of the twin. What no atom of the
other side matches as a whole is cut into its weights, and these are matched like atoms.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch2keras.twins.atoms import PARAMETER, Atom
from torch2keras.twins.colours import Sides

Key = tuple[int, int]
"""The place of an atom on its side, and which of its weights is meant; -1 for all of it."""

WHOLE = -1


@dataclass(frozen=True)
class CutSides:
    """Both sides, with some atoms cut into their weights."""

    sides: Sides
    """Atoms whose neighbours are told by their places here."""
    keys: tuple[Sequence[Key], Sequence[Key]]

    def places(self, side: int) -> dict[Key, int]:
        """Return where each atom or weight of a side is."""
        return {key: place for place, key in enumerate(self.keys[side])}


def cut_sides(sides: Sides, cut: Sequence[Collection[int]], *, by_role: bool = False) -> CutSides:
    """Return both sides with the atoms at some places cut; they read what the whole reads.

    `by_role` tells weights that are alike by their roles.
    """
    ours, own_keys = _cut(sides[0], cut[0], by_role=by_role)
    twin, twin_keys = _cut(sides[1], cut[1], by_role=by_role)
    return CutSides((ours, twin), (own_keys, twin_keys))


def _cut(
    atoms: Sequence[Atom], cut: Collection[int], *, by_role: bool
) -> tuple[list[Atom], list[Key]]:
    keys: list[Key] = []
    numbers: dict[int, list[int]] = {}
    for place, atom in enumerate(atoms):
        parts = range(len(atom.slots)) if place in cut else (WHOLE,)
        numbers[place] = []
        for part in parts:
            numbers[place].append(len(keys))
            keys.append((place, part))
    found = []
    for key in keys:
        atom = take_part(atoms, key)
        signature = atom.signature
        if by_role and atom.family == PARAMETER:
            signature = (*signature, *atom.slots)
        before, after = _move(atom.before, numbers), _move(atom.after, numbers)
        found.append(replace(atom, signature=signature, before=before, after=after))
    return found, keys


def _move(places: Iterable[int], numbers: Mapping[int, Sequence[int]]) -> set[int]:
    moved: set[int] = set()
    for place in places:
        moved.update(numbers[place])
    return moved


def take_part(atoms: Sequence[Atom], key: Key) -> Atom:
    """Return an atom, or one weight of it as an atom that has the neighbours of the whole."""
    place, part = key
    atom = atoms[place]
    if part == WHOLE:
        return atom
    role, variable = list(atom.slots.items())[part]
    signature = (PARAMETER, math.prod(variable.shape))
    return replace(
        atom, signature=signature, slots={role: variable}, enters=None, leaves=None, whole=atom
    )
