"""Storage: how a value's axes lie in the dimensions of the stored tensor.

A storage is a tuple of groups; each group is the axes (by number, in stored order) that one stored dimension holds.
An empty group is a dimension of size one. Axes longer than one stand in exactly one group; those of size one may be
left out, a reshape brings them back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from torch2keras.declarations.labels import AxisLabel, LabelKind, Slot
from torch2keras.declarations.patterns import TokenKind, has_kind
from torch2keras.graph.ir import Node, Size, Value
from torch2keras.graph.symbolic import simplify_size, size_product
from torch2keras.layout.axes import AxisSpace, Terms, term_values
from torch2keras.layout.signatures import Order, Signature, insert_missing, kernel_groups

Group = tuple[int, ...]


Storage = tuple[Group, ...]


Positions = dict[Slot, list[int]]
"""Which stored dimensions hold a slot."""


Frame = list[tuple[AxisLabel, ...]]
"""The stored dimensions that an op's operands and results have in common, each a run of labels."""


def storage_shape(space: AxisSpace, value: Value, storage: Storage) -> tuple[Size, ...]:
    """The stored shape."""
    sizes = space.sizes(value)
    return tuple(size_product([sizes[i] for i in group]) for group in storage)


def storage_order(space: AxisSpace, value: Value, storage: Storage) -> Order:
    """The order of the axes longer than one."""
    solid = space.solid(value)
    return tuple(i for group in storage for i in group if i in solid)


def natural_storage(space: AxisSpace, value: Value, order: Order) -> Storage:
    """An order as a storage: neighbouring axes of one dimension together, sizes of one behind their predecessor."""
    dims = space.dim_of(value)
    return _group_axes(space, value, order, lambda a, b: dims[a] == dims[b])


def _group_axes(
    space: AxisSpace, value: Value, order: Order, together: Callable[[int, int], bool]
) -> Storage:
    """Neighbouring axes that belong together, and those of size one, each behind its predecessor's dimension."""
    dims, solid = space.dim_of(value), set(space.solid(value))
    groups: list[list[int]] = []
    for axis in order:
        if groups and together(groups[-1][-1], axis):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    for axis in range(len(dims)):
        if axis not in solid:
            before = [k for k, g in enumerate(groups) if any(dims[i] == dims[axis] - 1 for i in g)]
            groups.insert(before[-1] + 1 if before else 0, [axis])
    return tuple(map(tuple, groups))


def split_into_runs(
    space: AxisSpace, value: Value, source: Storage, target: Storage
) -> list[Group]:
    """The source's axes in runs that stay together on the way to the target, in the source's order."""
    solid = set(space.solid(value))
    place: dict[int, tuple[int, int]] = {}
    for number, group in enumerate(target):
        for i, axis in enumerate(a for a in group if a in solid):
            place[axis] = (number, i)
    runs: list[list[int]] = []
    for group in source:
        start = True
        for axis in (a for a in group if a in solid):
            number, i = place[axis]
            if not start and place[runs[-1][-1]] == (number, i - 1):
                runs[-1].append(axis)
            else:
                runs.append([axis])
            start = False
    return [tuple(run) for run in runs]


def count_dynamic_sizes(shape: Sequence[Size]) -> int:
    """How many sizes are symbolic."""
    return sum(not isinstance(simplify_size(s), int) for s in shape)


@dataclass(frozen=True)
class NodeStorage:
    """The storage of each operand and result of one node."""

    storages: tuple[Storage, ...]
    positions: tuple[Positions, ...]
    """For each term: slot -> the stored dimensions that hold it."""

    def find_name(self, name: str) -> int | tuple[int, ...]:
        """Return the stored dimension of a name of the pattern, in the first term that has it.

        Of a name that is numbered in the pattern, as that of `*s`, all of them; () where it is absent.
        """
        wanted = Slot.of_name(name)
        for term in self.positions:
            if wanted in term:
                return term[wanted][0]
            numbered = [s for s in term if s.kind is LabelKind.NAMED and s.name == name]
            if numbered:
                return tuple(place for slot in sorted(numbered) for place in term[slot])
        return ()

    def find_argument_dims(self, dims: Sequence[int]) -> tuple[int, ...]:
        """Return the stored dimensions that hold those which an argument of the op names.

        The first term tells that has any. Raises KeyError where it lacks one of them.
        """
        for term in self.positions:
            if any(slot.kind is LabelKind.ARGUMENT for slot in term):
                return tuple(place for dim in dims for place in term[Slot.of_argument(dim)])
        raise KeyError(*dims)


def choose_storage(
    space: AxisSpace, node: Node, signature: Signature, stored: Sequence[Storage | None]
) -> NodeStorage:
    """Forms that fit a signature, as near as can be to those in which the operands are stored (None: a constant)."""
    values, terms = term_values(node), space.terms[node]
    if terms is None:
        return NodeStorage(tuple(_by_dim(space, v) for v in values), tuple({} for _ in values))
    if signature.cost:
        terms = replace(terms, kernel=None)
    seed, number = _seed(space, values, signature, stored)
    labels = terms.labels[number]
    if terms.equation and not signature.total:
        return _equation_storage(
            space, values, terms, signature, [{labels[i] for i in g} for g in seed]
        )
    frame = _frame(space, values, terms, signature, [tuple(labels[i] for i in g) for g in seed])
    storages, positions = [], []
    for index in range(len(values)):
        groups, slots = _term_storage(
            terms, index, frame, signature, result=index >= len(node.operands)
        )
        storages.append(groups)
        positions.append(slots)
    return NodeStorage(tuple(storages), tuple(positions))


def _equation_storage(
    space: AxisSpace,
    values: Sequence[Value],
    terms: Terms,
    signature: Signature,
    seed: Sequence[set[AxisLabel]],
) -> NodeStorage:
    """Of an equation whose terms are in orders of their own.

    Axes that follow one another wherever they are share a dimension, as those of one named dimension do; others only
    where they share one in the seed, a term as it is stored.
    """
    words = [
        [labels[i] for i in order]
        for labels, order in zip(terms.labels, signature.orders, strict=True)
    ]
    after = [dict(pairwise(word)) for word in words]

    def together(a: AxisLabel, b: AxisLabel) -> bool:
        apart = any((a in group) != (b in group) for group in seed) and (
            a.label.is_free or a.label.slot != b.label.slot
        )
        return not apart and all(
            next_of.get(a) == b
            for word, next_of in zip(words, after, strict=True)
            if a in word or b in word
        )

    storages = (
        _group_axes(space, value, order, lambda a, b, labels=labels: together(labels[a], labels[b]))  # type: ignore[misc]
        for value, labels, order in zip(values, terms.labels, signature.orders, strict=True)
    )
    return NodeStorage(tuple(storages), tuple({} for _ in values))


def _by_dim(space: AxisSpace, value: Value) -> Storage:
    dims = space.dim_of(value)
    return tuple(tuple(i for i, d in enumerate(dims) if d == dim) for dim in range(value.type.rank))


def _seed(
    space: AxisSpace,
    values: Sequence[Value],
    signature: Signature,
    stored: Sequence[Storage | None],
) -> tuple[Storage, int]:
    """The stored storage that the others follow: of the operand with most axes that is already in the right order."""
    best: tuple[int, Storage, int] | None = None
    for number, storage in enumerate(stored):
        if storage is None:
            continue
        order = signature.orders[number]
        fits = storage_order(space, values[number], storage) == order
        score = 2 * len(order) + fits
        if best is None or score > best[0]:
            best = score, storage if fits else natural_storage(space, values[number], order), number
    if best is None:
        return natural_storage(space, values[0], signature.orders[0]), 0
    return best[1], best[2]


def _frame(
    space: AxisSpace, values: Sequence[Value], terms: Terms, signature: Signature, seed: Frame
) -> Frame:
    """The common stored dimensions of the labels that `...` or an order-free declaration leaves in any order."""
    total = list(signature.total)
    insert_missing(
        total, [x for group in seed for x in group if terms.kernel is None or x.label.is_free]
    )
    named = [x for term in reversed(terms.labels) for x in term if not x.label.is_free]
    if terms.kernel is None:
        for term in reversed(terms.labels):
            insert_missing(total, [x for x in term if x in total or x in named])
    solid = [
        {x: space.sizes(value)[i] != 1 for i, x in enumerate(labels)}
        for value, labels in zip(values, terms.labels, strict=True)
    ]
    home = {x: number for number, group in enumerate(seed) for x in group}
    frame: list[list[AxisLabel]] = []
    for label in total:
        if frame and _together(frame[-1][-1], label, home, solid):
            frame[-1].append(label)
        else:
            frame.append([label])
    return [tuple(group) for group in frame]


def _together(
    a: AxisLabel, b: AxisLabel, home: dict[AxisLabel, int], solid: Sequence[dict[AxisLabel, bool]]
) -> bool:
    """Whether two neighbouring labels share a stored dimension."""
    if a.label.slot == b.label.slot and not a.label.is_free:
        return True
    if not (a.label.is_free and b.label.is_free):
        return False
    alike = all(term.get(a, False) == term.get(b, False) for term in solid)
    if a in home and b in home:
        return home[a] == home[b] and alike
    return a.label.slot == b.label.slot and a not in home and b not in home


def _term_storage(
    terms: Terms, index: int, frame: Frame, signature: Signature, *, result: bool
) -> tuple[Storage, Positions]:
    labels = terms.labels[index]
    where = {label: i for i, label in enumerate(labels)}
    wide = not labels or any(label.is_free for label, _ in labels)
    if terms.kernel is None:
        shared: list[tuple[Group, bool]] = [
            (tuple(where[x] for x in group if x in where), group[0].label.is_free)
            for group in frame
        ]
        aligned = [g for g, free in shared if g or free]
        groups = [g for g, _ in shared if g] if result or not wide else _trim_units(aligned)
    else:
        batch = [tuple(where[x] for x in group if x in where) for group in frame]
        tokens = terms.kernel.terms[index]
        kernel = kernel_groups(
            labels,
            [t for t in tokens if t.kind is not TokenKind.ELLIPSIS],
            [],
            _inner(terms, index, signature),
        )
        if has_kind(tokens, TokenKind.ELLIPSIS):
            at = next(i for i, t in enumerate(tokens) if t.kind is TokenKind.ELLIPSIS)
            batch = [g for g in batch if g] if result else _trim_units(batch) if not at else batch
            groups = [*kernel[:at], *batch, *kernel[at:]]
        else:
            groups = list(kernel)
    slots: Positions = {}
    for position, group in enumerate(groups):
        for axis in group:
            found = slots.setdefault(labels[axis].label.slot, [])
            if position not in found:
                found.append(position)
    return tuple(groups), slots


def _inner(terms: Terms, index: int, signature: Signature) -> list[AxisLabel]:
    """A term's labels in the order of the signature: what decides the order inside a kernel's dimensions."""
    return [terms.labels[index][i] for i in signature.orders[index]]


def _trim_units(groups: Sequence[Group]) -> list[Group]:
    """Without leading dimensions of size one, which broadcasting adds by itself."""
    first = next((i for i, g in enumerate(groups) if g), len(groups))
    return list(groups[first:])
