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

from torch2keras.twins.atoms import PARAMETER, Atom, Signature
from torch2keras.twins.colours import Palette, Sides
from torch2keras.twins.single_weights import WHOLE, CutSides, Key, cut_sides, take_part

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

    def our_role(self, role: str) -> str | None:
        """Return which weight of ours one of the twin's is; of a single one the name is free."""
        return _find_role(role, self.twin, self.ours)

    def twin_role(self, role: str) -> str | None:
        """Return which weight of the twin's one of ours is."""
        return _find_role(role, self.ours, self.twin)


def _find_role(role: str, atom: Atom, other: Atom) -> str | None:
    if role in other.slots:
        return role
    if len(atom.slots) == len(other.slots) == 1:
        return next(iter(other.slots))
    return None


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
    given: Mapping[Key, Key] | None = None,
    choices: Mapping[int, Sequence[int]] | None = None,
) -> Match:
    """Pair the atoms of both sides.

    `given` are pairs that are known; `choices` say for the number of a choice in which order the
    twin's atoms are paired with ours.
    """
    sides = ours, twin
    pins: Pins = {key: (other, How.GIVEN, -1) for key, other in (given or {}).items()}
    parts = cut_sides(sides, _find_cut(pins))
    matcher = _Matcher(parts.sides, choices or {})
    _pin_all(matcher, parts, pins)
    matcher.match_colours()
    matcher.match_near()
    matcher.match_order(relax=False)
    matcher.match_order(relax=True)
    _read_pins(matcher, parts, pins)
    for side in (0, 1):
        _match_weights(sides, pins, side)
    pairs = []
    for key, (other, how, group) in sorted(pins.items()):
        pairs.append(AtomPair(take_part(ours, key), take_part(twin, other), how, group))
    partners = [other for other, _, _ in pins.values()]
    return Match(pairs, _list_left(ours, list(pins)), _list_left(twin, partners), matcher.groups)


Pins = dict[Key, tuple[Key, How, int]]
"""For each atom or weight of ours the twin's, how that was found, and the number of the choice."""


def _match_weights(sides: Sides, pins: Pins, side: int) -> None:
    """Pair what is left of one side, cut into its weights, with weights on their own of the other.

    First by what the weights are called, then by their sizes alone.
    """
    cut = _find_cut(pins)
    taken = [{place for place, _ in pins}, {other[0] for other, _, _ in pins.values()}]
    own = set(range(len(sides[side]))) - taken[side]
    other = set(range(len(sides[1 - side]))) - taken[1 - side]
    joined = {place for place in own if sides[side][place].family != PARAMETER}
    if not joined or all(sides[1 - side][place].family != PARAMETER for place in other):
        return
    cut[side] |= joined
    for by_role in (True, False):
        parts = cut_sides(sides, cut, by_role=by_role)
        matcher = _Matcher(parts.sides, {})
        _pin_all(matcher, parts, pins)
        matcher.match_near()
        matcher.match_order(relax=False)
        _read_pins(matcher, parts, pins)


def _find_cut(pins: Pins) -> list[set[int]]:
    """Return the places of the atoms on each side of which single weights are paired."""
    ours = {place for place, part in pins if part != WHOLE}
    twin = {place for (place, part), _, _ in pins.values() if part != WHOLE}
    return [ours, twin]


def _pin_all(matcher: _Matcher, parts: CutSides, pins: Pins) -> None:
    """Let a matching begin with what is paired already."""
    ours, twin = parts.places(0), parts.places(1)
    for key, (other, how, group) in pins.items():
        matcher.pin(ours[key], twin[other], how, group)


def _read_pins(matcher: _Matcher, parts: CutSides, pins: Pins) -> None:
    """Note what a matching has paired."""
    for place, (number, how, group) in matcher.pins.items():
        pins[parts.keys[0][place]] = parts.keys[1][number], how, group


def _list_left(atoms: Sequence[Atom], keys: Sequence[Key]) -> list[Atom]:
    """Return what has no partner: atoms, and the weights of those of which others have one."""
    paired: dict[int, set[int]] = {}
    for place, part in keys:
        paired.setdefault(place, set()).add(part)
    left = []
    for place, atom in enumerate(atoms):
        known = paired.get(place, set())
        if not known:
            left.append(atom)
        elif WHOLE not in known:
            unpaired = sorted(set(range(len(atom.slots))) - known)
            left += [take_part(atoms, (place, part)) for part in unpaired]
    return left
