"""Colour refinement over two graphs at once: what looks alike from everywhere has one colour.

An atom begins with its signature as colour; in each round it takes the colours of the atoms before
and behind it into its own. Two atoms of one colour cannot be told apart by structure
(Weisfeiler and Leman 1968, https://www.iti.zcu.cz/wl2018/pdf/wl_paper_translation.pdf).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from torch2keras.twins.atoms import Atom

Sides = tuple[Sequence[Atom], Sequence[Atom]]
"""The atoms of the module's model, and those of the twin."""


@dataclass
class Palette:
    """The colours of both sides; equal numbers are equal colours."""

    sides: Sides
    colours: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))

    def paint(self, label: Callable[[int, int], Hashable]) -> None:
        """Give each atom the colour of its label, which is told by its side and place."""
        numbers: dict[Hashable, int] = {}
        painted: list[list[int]] = []
        for side, atoms in enumerate(self.sides):
            labels = (label(side, place) for place in range(len(atoms)))
            painted.append([numbers.setdefault(one, len(numbers)) for one in labels])
        self.colours = painted[0], painted[1]

    def count(self) -> int:
        """Return how many colours there are."""
        return len({*self.colours[0], *self.colours[1]})

    def refine(self, rounds: int) -> None:
        """Take the colours of neighbours into each colour, so many times or until it is stable."""
        count = self.count()
        for _ in range(rounds):
            self.paint(self._look_around)
            if self.count() == count:
                return
            count = self.count()

    def _look_around(self, side: int, place: int) -> Hashable:
        colours, atom = self.colours[side], self.sides[side][place]
        before = sorted(colours[other] for other in atom.before)
        after = sorted(colours[other] for other in atom.after)
        return colours[place], tuple(before), tuple(after)

    def classes(self) -> Mapping[int, tuple[list[int], list[int]]]:
        """Return for each colour the places of the atoms that have it, on both sides."""
        found: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for side in (0, 1):
            for place, colour in enumerate(self.colours[side]):
                found[colour][side].append(place)
        return found
