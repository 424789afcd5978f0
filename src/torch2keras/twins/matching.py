"""Which atom of the twin is which of the module's: by structure, then by the order of computation.

Both graphs are coloured together (colours.py). A colour that one atom of each side has tells that
they are the same. Where several have it, they are paired in the order of computation, which is a
guess; what follows from a guess is one too. What is left is looked at from nearer and nearer, and
paired in order at last, since one layer more or less changes the colours of all behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import count

from torch2keras.twins.atoms import Atom, Signature
from torch2keras.twins.colours import Palette, Sides

RADII = (8, 4, 2, 1)
"""How far around an atom is looked for what no colour of the whole graph matches."""

UNTIL_STABLE = 100_000


class How(StrEnum):
    """How two atoms were found to be the same."""

    STRUCTURE = "structure"
    """No other atom has its shapes and its place."""
    ORDER = "order"
    """Several do, or the graphs differ; it is the one whose turn it is. A guess."""
    PROBE = "probe"
    """Several do, and with this one the activations of both sides are equal."""
    GIVEN = "given"
    """The caller's mapping says so."""


@dataclass(eq=False)
class AtomPair:
    """An atom of the module's model, and that of the twin which is the same."""

    ours: Atom
    twin: Atom
    how: How
    group: int = -1
    """The number of the choice that it hangs on; -1 where it was none."""


@dataclass
class Match:
    """What was found of both sides, and what was not."""

    pairs: list[AtomPair]
    ours_left: list[Atom]
    twin_left: list[Atom]
    groups: dict[int, int] = field(default_factory=dict)
    """For each choice between atoms that look alike how many there were."""


@dataclass
class _Matcher:
    """A matching under way; atoms are told by their places."""

    sides: Sides
    choices: Mapping[int, Sequence[int]]
    palette: Palette = field(init=False)
    pins: dict[int, tuple[int, How, int]] = field(default_factory=dict)
    """Our place -> the twin's, how, and the number of the choice."""
    partners: dict[int, int] = field(default_factory=dict)
    """The twin's place -> ours."""
    groups: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.palette = Palette(self.sides)

    def pin(self, ours: int, twin: int, how: How, group: int = -1) -> None:
        self.pins[ours] = twin, how, group
        self.partners[twin] = ours

    def paint(self) -> None:
        def label(side: int, place: int) -> object:
            number = (place, self.partners.get(place, -1))[side]
            if number in self.pins:
                return "pair", number
            return self.sides[side][place].signature

        self.palette.paint(label)

    def free(self) -> tuple[list[int], list[int]]:
        """Return the places without a partner, on both sides."""
        ours, twin = (set(range(len(atoms))) for atoms in self.sides)
        return sorted(ours - set(self.pins)), sorted(twin - set(self.partners))

    def free_classes(self) -> list[tuple[list[int], list[int]]]:
        """Return the classes of atoms without a partner, in the order of computation."""
        ours, twin = map(set, self.free())
        found = []
        for mine, theirs in self.palette.classes().values():
            left, right = sorted(ours.intersection(mine)), sorted(twin.intersection(theirs))
            if left and len(left) == len(right):
                found.append((left, right))
        return sorted(found)

    def pin_unique(self, how: How, group: int = -1) -> bool:
        """Pair the atoms whose colour no other has; return whether there were any."""
        is_new = False
        for ours, twin in self.free_classes():
            if len(ours) == 1:
                self.pin(ours[0], twin[0], how, group)
                is_new = True
        return is_new

    def split_by_part(self) -> None:
        """Tell atoms of one colour apart by what they are within their layers, if both sides do."""
        parts: dict[int, Counter[str]] = {}
        for colour, places in self.palette.classes().items():
            ours, twin = self._count_parts(0, places[0]), self._count_parts(1, places[1])
            if ours == twin:
                parts[colour] = ours
        colours = self.palette.colours

        def label(side: int, place: int) -> object:
            colour = colours[side][place]
            return colour, self.sides[side][place].part if colour in parts else ""

        self.palette.paint(label)

    def _count_parts(self, side: int, places: Sequence[int]) -> Counter[str]:
        return Counter(self.sides[side][place].part for place in places)

    def individualise(self, ours: int, twin: int) -> None:
        """Give two atoms a colour that no other has, and let it spread."""
        colours = self.palette.colours
        chosen = ((0, ours), (1, twin))
        self.palette.paint(lambda side, place: ((side, place) in chosen, colours[side][place]))
        self.palette.refine(UNTIL_STABLE)

    def match_colours(self) -> None:
        """Pair atoms by the colours of the whole graphs."""
        self.paint()
        self.palette.refine(UNTIL_STABLE)
        self.split_by_part()
        self.palette.refine(UNTIL_STABLE)
        self.pin_unique(How.STRUCTURE)
        for group in count():
            classes = self.free_classes()
            if not classes:
                return
            ours, twin = classes[0]
            self.groups[group] = len(ours)
            order = self.choices.get(group, range(len(twin)))
            for place, number in zip(ours, order, strict=True):
                choice = twin[number]
                self.pin(place, choice, How.ORDER, group)
                self.individualise(place, choice)
            self.pin_unique(How.ORDER, group)

    def match_near(self) -> None:
        """Pair what is left by what is around it, nearer each time."""
        for radius in RADII:
            is_new = True
            while is_new:
                self.paint()
                self.palette.refine(radius)
                is_new = self.pin_unique(How.STRUCTURE)

    def match_order(self, relax: bool) -> None:  # noqa: FBT001 - a rule of the last rounds alone
        """Pair what is left in the order of computation, equal signatures with each other."""
        ours, twin = self.free()
        signatures: list[list[Signature]] = []
        for side, places in enumerate((ours, twin)):
            row = [self.sides[side][place].signature for place in places]
            if relax:
                row = list(map(_relax, row))
            signatures.append(row)
        matcher = SequenceMatcher(None, signatures[0], signatures[1], autojunk=False)
        for start, other, length in matcher.get_matching_blocks():
            for step in range(length):
                self.pin(ours[start + step], twin[other + step], How.ORDER)


def _relax(signature: Signature) -> Signature:
    """Return a signature that a layer of more dimensions has too, where those are of size one."""
    family, *rest = signature
    if rest and isinstance(rest[0], tuple):
        sizes = tuple(size for size in rest[0] if size != 1)
        return (family, sizes, *rest[1:])
    return signature


def find_suspects(match: Match, sides: Sides) -> list[AtomPair]:
    """Pair what is left of both sides where it is of one kind, at one place, and of other sizes."""
    partners = {id(pair.ours): id(pair.twin) for pair in match.pairs}
    suspects: list[AtomPair] = []
    used: set[int] = set()
    for atom in match.ours_left:
        for other in match.twin_left:
            if id(other) in used or other.family != atom.family:
                continue
            if _share_neighbour(partners, sides, atom, other):
                used.add(id(other))
                suspects.append(AtomPair(atom, other, How.ORDER))
                break
    return suspects


def _share_neighbour(partners: Mapping[int, int], sides: Sides, ours: Atom, twin: Atom) -> bool:
    """Whether an atom before or behind both is the same; at the ends of both, whether none is."""
    for mine, theirs in ((ours.before, twin.before), (ours.after, twin.after)):
        others = {id(sides[1][place]) for place in theirs}
        if any(partners.get(id(sides[0][place])) in others for place in mine):
            return True
        if not mine and not theirs:
            return True
    return False


def match_atoms(
    ours: Sequence[Atom],
    twin: Sequence[Atom],
    given: Mapping[int, int] | None = None,
    choices: Mapping[int, Sequence[int]] | None = None,
) -> Match:
    """Pair the atoms of both sides.

    `given` are pairs of places that are known; `choices` say for the number of a choice in which
    order the twin's atoms are paired with ours.
    """
    matcher = _Matcher((ours, twin), choices or {})
    for place, other in (given or {}).items():
        matcher.pin(place, other, How.GIVEN)
    matcher.match_colours()
    matcher.match_near()
    matcher.match_order(relax=False)
    matcher.match_order(relax=True)
    pairs = []
    for place, (other, how, group) in sorted(matcher.pins.items()):
        pairs.append(AtomPair(ours[place], twin[other], how, group))
    left, right = matcher.free()
    return Match(pairs, [ours[p] for p in left], [twin[p] for p in right], matcher.groups)
