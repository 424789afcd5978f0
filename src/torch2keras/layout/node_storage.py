"""How the operands and results of one node are stored, so that its op can run on them.

A signature says in which order the axes of each operand lie; which of them share a dimension is
still open. Ops on `...` only need that the dimensions of their operands agree, so they are taken as
the largest operand is stored (the seed), and a reshape is spared. A kernel's own dimensions follow
from its pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise

from torch2keras.declarations.labels import AxisLabel, LabelKind, Slot
from torch2keras.declarations.patterns import Token, TokenKind
from torch2keras.graph.ir import Node, Value
from torch2keras.layout.axes import AxisSpace, Terms, is_one, term_values
from torch2keras.layout.signatures import Signature, insert_missing, kernel_groups
from torch2keras.layout.storage import (
    Group,
    Storage,
    add_units,
    chain_neighbours,
    natural_storage,
    storage_order,
    torch_storage,
)

Positions = dict[Slot, list[int]]
"""Which stored dimensions hold a slot."""

Frame = Sequence[Sequence[AxisLabel]]
"""The stored dimensions that an op's operands and results have in common, each a run of labels."""


@dataclass(frozen=True)
class NodeStorage:
    """The storage of each operand and result of one node."""

    storages: tuple[Storage, ...]
    positions: tuple[Positions, ...]
    """For each term the stored dimensions of its slots."""

    def find_name(self, name: str) -> int | tuple[int, ...]:
        """Return the stored dimension of a name of the pattern, in the first term that has it.

        Of a name that is numbered in the pattern, as that of `*s`, all of them; () where it is
        absent.
        """
        wanted = Slot.of_name(name)
        for term in self.positions:
            if wanted in term:
                return term[wanted][0]
            numbered = [s for s in term if s.kind is LabelKind.NAMED and s.name == name]
            if numbered:
                return _join_places(term, sorted(numbered))
        return ()

    def find_argument_dims(self, dims: Sequence[int]) -> tuple[int, ...]:
        """Return the stored dimensions that hold those which an argument of the op names.

        The first term tells that has any. Raises KeyError where it lacks one of them.
        """
        for term in self.positions:
            if any(slot.kind is LabelKind.ARGUMENT for slot in term):
                return _join_places(term, list(map(Slot.of_argument, dims)))
        raise KeyError(*dims)


def _join_places(term: Positions, slots: Sequence[Slot]) -> tuple[int, ...]:
    """Return the stored dimensions of these slots, one after the other."""
    places: list[int] = []
    for slot in slots:
        places += term[slot]
    return tuple(places)


def choose_storage(
    space: AxisSpace, node: Node, signature: Signature, stored: Sequence[Storage | None]
) -> NodeStorage:
    """Return the storages that fit a signature, as near as can be to those of the operands.

    `stored` is how each operand lies in the Keras graph; None is a constant, which lies anyhow.
    """
    values, terms = term_values(node), space.terms[node]
    no_positions: tuple[Positions, ...] = ({},) * len(values)
    if terms is None:
        return NodeStorage(tuple(map(partial(torch_storage, space), values)), no_positions)
    if signature.cost:  # it runs out of the kernel's order
        terms = replace(terms, kernel=None)
    slot, storage = _find_seed(space, values, signature, stored)
    seed = list(map(partial(terms.take, slot), storage))
    if terms.equation and not signature.total:
        return NodeStorage(_store_equation(space, values, terms, signature, seed), no_positions)
    frame = _build_frame(space, values, terms, signature, seed)
    storages: list[Storage] = []
    positions: list[Positions] = []
    for slot in range(len(values)):
        is_result = slot >= len(node.operands)
        if terms.kernel is None:
            groups = _store_in_frame(terms, slot, frame, is_result=is_result)
        else:
            groups = _store_for_kernel(terms, slot, frame, signature, is_result=is_result)
        storages.append(groups)
        positions.append(_find_positions(terms.labels[slot], groups))
    return NodeStorage(tuple(storages), tuple(positions))


def _find_seed(
    space: AxisSpace,
    values: Sequence[Value],
    signature: Signature,
    stored: Sequence[Storage | None],
) -> tuple[int, Storage]:
    """Return the term that the others follow, and its storage.

    It is the operand with most axes, if possible one that is already in the right order.
    """
    best = -1
    found = 0, natural_storage(space, values[0], signature.orders[0])
    for slot, storage in enumerate(stored):
        if storage is None:
            continue
        order = signature.orders[slot]
        fits = storage_order(space, values[slot], storage) == order
        score = 2 * len(order) + fits
        if score > best:
            best = score
            found = slot, storage if fits else natural_storage(space, values[slot], order)
    return found


def _store_equation(
    space: AxisSpace,
    values: Sequence[Value],
    terms: Terms,
    signature: Signature,
    seed: Frame,
) -> tuple[Storage, ...]:
    """Return the storages of an equation whose terms are each in an order of its own.

    Axes that follow one another wherever they are share a dimension, as those of one named
    dimension do; others only where they share one in the seed, a term as it is stored.
    """
    words = [terms.take(slot, order) for slot, order in enumerate(signature.orders)]
    followers = list(map(dict, map(pairwise, words)))
    home = _number_groups(seed)

    def share_dim(a: AxisLabel, b: AxisLabel) -> bool:
        if (a.label.is_free or a.label.slot != b.label.slot) and home.get(a) != home.get(b):
            return False
        for word, follower in zip(words, followers, strict=True):
            if (a in word or b in word) and follower.get(a) != b:
                return False
        return True

    storages: list[Storage] = []
    for slot, value in enumerate(values):
        runs = chain_neighbours(words[slot], share_dim)
        storages.append(add_units(space, value, map(partial(terms.find_axes, slot), runs)))
    return tuple(storages)


def _number_groups(groups: Frame) -> dict[AxisLabel, int]:
    """Return for each label the number of the group that it is in."""
    home: dict[AxisLabel, int] = {}
    for number, group in enumerate(groups):
        home |= dict.fromkeys(group, number)
    return home


def _build_frame(
    space: AxisSpace, values: Sequence[Value], terms: Terms, signature: Signature, seed: Frame
) -> Frame:
    """Return the common stored dimensions of the labels that the op takes in any order.

    Those are the labels of `...`, and all of them where no kernel wants an order.
    """
    total = list(signature.total)
    solid = [_solid_labels(space, value, terms.labels[k]) for k, value in enumerate(values)]
    home = _number_groups(seed)
    seeded = chain.from_iterable(seed)
    insert_missing(total, [x for x in seeded if terms.kernel is None or x.label.is_free])
    if terms.kernel is None:
        for term in reversed(terms.labels):
            insert_missing(total, [x for x in term if x in total or not x.label.is_free])

    def share_dim(a: AxisLabel, b: AxisLabel) -> bool:
        same_slot = a.label.slot == b.label.slot
        if same_slot and not a.label.is_free:
            return True
        if not (a.label.is_free and b.label.is_free):
            return False
        if a in home and b in home:
            return home[a] == home[b] and all((a in term) == (b in term) for term in solid)
        return same_slot and a not in home and b not in home

    return chain_neighbours(total, share_dim)


def _solid_labels(
    space: AxisSpace, value: Value, labels: Sequence[AxisLabel]
) -> frozenset[AxisLabel]:
    """Return the labels of a term whose axes are longer than one there."""
    solid: set[AxisLabel] = set()
    for size, label in zip(space.sizes(value), labels, strict=True):
        if not is_one(size):
            solid.add(label)
    return frozenset(solid)


def _store_in_frame(terms: Terms, slot: int, frame: Frame, *, is_result: bool) -> Storage:
    """Return the storage of a term whose dimensions are those of the frame.

    An operand with dimensions of `...` keeps a dimension of size one where it lacks one of them, so
    that broadcasting aligns it; at the left it needs none.
    """
    labels = terms.labels[slot]
    is_aligned = not is_result and (not labels or any(x.label.is_free for x in labels))
    groups: list[Group] = []
    for run in frame:
        group = terms.find_axes(slot, run)
        if group or (is_aligned and run[0].label.is_free):
            groups.append(group)
    return tuple(_trim_units(groups) if is_aligned else groups)


def _store_for_kernel(
    terms: Terms, slot: int, frame: Frame, signature: Signature, *, is_result: bool
) -> Storage:
    """Return the storage of a term that a kernel reads or gives; those of `...` as in the frame."""
    assert terms.kernel is not None
    labels, tokens = terms.labels[slot], terms.kernel.terms[slot]
    fixed = [token for token in tokens if token.kind is not TokenKind.ELLIPSIS]
    groups = kernel_groups(labels, fixed, [], terms.take(slot, signature.orders[slot]))
    if len(fixed) == len(tokens):
        return tuple(groups)
    place = tokens.index(Token(TokenKind.ELLIPSIS))
    batch = list(map(partial(terms.find_axes, slot), frame))
    if is_result:
        batch = list(filter(None, batch))
    elif place == 0:
        batch = _trim_units(batch)
    return (*groups[:place], *batch, *groups[place:])


def _find_positions(labels: Sequence[AxisLabel], groups: Storage) -> Positions:
    """Return the stored dimensions of each slot of a term."""
    positions: Positions = {}
    for place, group in enumerate(groups):
        for axis in group:
            found = positions.setdefault(labels[axis].label.slot, [])
            if place not in found:
                found.append(place)
    return positions


def _trim_units(groups: Sequence[Group]) -> list[Group]:
    """Return the groups without leading dimensions of size one, which broadcasting adds itself."""
    for place, group in enumerate(groups):
        if group:
            return list(groups[place:])
    return []
