"""Signatures: the ways to run one node, each an order for every operand and result.

A kernel that wants an order has one signature for each order of the dimensions that it treats alike
(the batch). An op that runs in any order has one for each order that one of its terms may be stored
in: from that term (the seed) follows a total order of all labels, and from it every other term's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch2keras.declarations.labels import AxisLabel, LabelKind, Slot
from torch2keras.declarations.patterns import Term, Token, TokenKind, expand_stars
from torch2keras.graph.ir import Constant, Node, Value
from torch2keras.layout.axes import AxisSpace, Terms, is_one, term_values

Order = tuple[int, ...]
"""A value's axes longer than one, by their number in PyTorch's order, as they are stored."""


@dataclass(frozen=True)
class Signature:
    """One way to run a node: an order for each operand and result."""

    orders: tuple[Order, ...]
    total: tuple[AxisLabel, ...]
    """The common order of all labels that the term orders are taken from."""
    cost: float = 0.0
    """In transposes; above 0 where a kernel does not run in its own order, or TensorFlow transposes
    inside of it."""


def complete_signature(
    space: AxisSpace, node: Node, terms: Terms, slot: int, order: Order
) -> Signature:
    """Return the signature that follows when term `slot` of a node is stored in `order`."""
    values = term_values(node)
    seed = terms.take(slot, order)
    total = _extend_to_all(space, values, terms, seed)
    if terms.kernel is None:
        total = _gather_dims(total)
        free = _take_orders(space, values, terms, total)
        return Signature(free, tuple(total), signature_cost(values, terms, free))
    batch = [axis for axis in total if axis.label.is_free]
    orders: list[Order] = []
    for value, labels, term in zip(values, terms.labels, terms.kernel.terms, strict=True):
        wanted = kernel_order(labels, term, batch, seed)
        orders.append(keep_solid(space, value, wanted))
    return Signature(tuple(orders), tuple(batch))


def signature_cost(values: Sequence[Value], terms: Terms, orders: Sequence[Order]) -> float:
    """Return what an op that runs in any order costs in these, in transposes.

    Constants cost nothing: they are brought into any order beforehand.
    """
    if terms.cost is None:
        return 0.0
    words = list(map(terms.take, range(len(values)), orders))
    total = 0.0
    for cost, value in zip(terms.cost(words), values, strict=True):
        if not isinstance(value, Constant):
            total += cost
    return total


def reorder_kernel(
    space: AxisSpace, node: Node, terms: Terms, slot: int, order: Order, cost: float
) -> Iterator[Signature]:
    """Yield the signatures of a kernel that runs in other orders too, term `slot` in `order`.

    `cost` is that of each operand or result that is not in the kernel's order. Labels that the term
    lacks come last, which leaves the other terms in the kernel's order where that is possible, or
    in the place of their partners. The first dimension stays first: stock layers take it for the
    batch. There is none where a named dimension is of size one, which has no place in an order.
    """
    values, free = term_values(node), replace(terms, kernel=None)
    if _has_named_unit(space, values, terms):
        return
    data = [number for number, value in enumerate(values) if not isinstance(value, Constant)]
    seed = terms.take(slot, order)
    for total in (
        _gather_dims(_append_missing(terms, seed)),
        _gather_dims(_extend_to_all(space, values, free, seed)),
    ):
        orders = _take_orders(space, values, free, total)
        moved = 0
        for number in data:
            own = complete_signature(space, node, terms, number, orders[number])
            moved += own.orders[number] != orders[number]
        if moved and _has_one_first(terms, orders, data):
            yield Signature(orders, tuple(total), cost * moved)


def _has_named_unit(space: AxisSpace, values: Sequence[Value], terms: Terms) -> bool:
    """Return whether a dimension that is none of `...` is of size one."""
    for value, labels in zip(values, terms.labels, strict=True):
        for size, axis in zip(space.sizes(value), labels, strict=True):
            if is_one(size) and not axis.label.is_free:
                return True
    return False


def _has_one_first(terms: Terms, orders: Sequence[Order], data: Sequence[int]) -> bool:
    """Return whether all operands and results but constants are stored with the same axis first."""
    first: set[AxisLabel | None] = set()
    for number in data:
        stored = terms.take(number, orders[number][:1])
        first.add(stored[0] if stored else None)
    return len(first) == 1


def kernel_order(
    labels: Sequence[AxisLabel],
    term: Term,
    batch: Sequence[AxisLabel],
    seed: Sequence[AxisLabel],
) -> list[int]:
    """Return all axes of one term in the order of the kernel's; within a name, as in the seed."""
    order: list[int] = []
    for group in kernel_groups(labels, term, batch, seed):
        order += group
    return order


def kernel_groups(
    labels: Sequence[AxisLabel],
    term: Sequence[Token],
    batch: Sequence[AxisLabel],
    seed: Sequence[AxisLabel],
) -> list[tuple[int, ...]]:
    """Return the axes of each stored dimension of one term, by the kernel's pattern.

    `labels` are those of the term's axes, `batch` the order of those that `...` stands for. Axes of
    one name are in the order of the seed, where it has them and they are in no order of their own.
    The group of an optional name that is absent is ().
    """
    axis_of = {label: axis for axis, label in enumerate(labels)}
    units = _find_units(labels)
    groups: list[tuple[int, ...]] = []
    for token in expand_stars(term, _count_starred(labels, term)):
        if token.kind is TokenKind.ELLIPSIS:
            groups += [(axis_of[label],) for label in batch if label in axis_of]
            continue
        group: list[int] = []
        if token.kind is TokenKind.UNIT:
            unit = next(units, None)
            group += [] if unit is None else [unit]
        for slot in token.slots:
            own = [label for label in labels if label.label.slot == slot]
            own.sort(key=lambda label: _place_within(label, seed))
            group += [axis_of[label] for label in own]
        groups.append(tuple(group))
    return groups


def _find_units(labels: Sequence[AxisLabel]) -> Iterator[int]:
    """Yield the axes that stand for a `1` of the pattern."""
    for number, axis in enumerate(labels):
        if axis.label.slot.kind is LabelKind.UNIT:
            yield number


def _place_within(axis: AxisLabel, seed: Sequence[AxisLabel]) -> tuple[int, int]:
    """Return the sort key of an axis among those of its dimension."""
    if axis.label.is_ordered or axis not in seed:
        return 1, axis.factor
    return 0, seed.index(axis)


def _count_starred(labels: Sequence[AxisLabel], term: Sequence[Token]) -> int:
    """Return how many dimensions each `*name` of a term stands for."""
    starred = {token.name for token in term if token.kind is TokenKind.STAR}
    slots: set[Slot] = set()
    for axis in labels:
        slot = axis.label.slot
        if slot.kind is LabelKind.NAMED and slot.name in starred:
            slots.add(slot)
    return len(slots) // max(1, len(starred))


def _extend_to_all(
    space: AxisSpace, values: Sequence[Value], terms: Terms, seed: Sequence[AxisLabel]
) -> list[AxisLabel]:
    """Return a total order of all labels that begins with a term's; others join neighbours."""
    total = list(seed)
    for slot, value in reversed(list(enumerate(values))):
        insert_missing(total, terms.take(slot, space.solid(value)))
    return total


def _append_missing(terms: Terms, seed: Sequence[AxisLabel]) -> list[AxisLabel]:
    """Return the labels of the seed, then the others, the results' first."""
    total = dict.fromkeys(seed)
    for labels in reversed(terms.labels):
        total |= dict.fromkeys(labels)
    return list(total)


def insert_missing(total: list[AxisLabel], labels: Sequence[AxisLabel]) -> None:
    """Insert each label that `total` lacks beside one of its slot.

    Where there is none, behind the dimension of its predecessor in `labels`; without one, first.
    """
    previous: AxisLabel | None = None
    for axis in labels:
        if axis not in total:
            beside = _last_of_slot(total, axis)
            if beside < 0 and previous is not None:
                beside = _last_of_slot(total, previous)
            total.insert(beside + 1, axis)
        previous = axis


def _last_of_slot(total: Sequence[AxisLabel], axis: AxisLabel) -> int:
    """Return the last place of an axis in the slot of this one; -1 where there is none."""
    for place in reversed(range(len(total))):
        if total[place].label.slot == axis.label.slot:
            return place
    return -1


def _gather_dims(total: Sequence[AxisLabel]) -> list[AxisLabel]:
    """Return the order with the axes of a named dimension in one piece, where its first one stands.

    Within a dimension whose order matters they are in that order.
    """
    pieces: dict[AxisLabel | Slot, list[AxisLabel]] = {}
    for axis in total:
        key = axis if axis.label.is_free else axis.label.slot
        pieces.setdefault(key, []).append(axis)
    gathered: list[AxisLabel] = []
    for piece in pieces.values():
        gathered += sorted(piece, key=_place_in_dim)
    return gathered


def _place_in_dim(axis: AxisLabel) -> tuple[int, int]:
    """Return the sort key of an axis in its dimension; shared ones stay as they are, and first."""
    return axis.label.term, axis.factor if axis.label.is_ordered else 0


def _take_orders(
    space: AxisSpace, values: Sequence[Value], terms: Terms, total: Sequence[AxisLabel]
) -> tuple[Order, ...]:
    """Return for each term the order of its axes in the total order."""
    place = dict(zip(total, range(len(total)), strict=True))
    orders: list[Order] = []
    for slot, value in enumerate(values):
        solid = space.solid(value)
        places = map(place.__getitem__, terms.take(slot, solid))
        orders.append(tuple(axis for _, axis in sorted(zip(places, solid, strict=True))))
    return tuple(orders)


def keep_solid(space: AxisSpace, value: Value, order: Sequence[int]) -> Order:
    """Return an order without the axes of size one."""
    solid = space.solid(value)
    return tuple(axis for axis in order if axis in solid)


def keeps_dims_whole(space: AxisSpace, value: Value, order: Order) -> bool:
    """Return whether an order moves whole dimensions only, as that of a public port must."""
    dims = space.dim_of(value)
    first: dict[int, int] = {}
    for place, axis in enumerate(order):
        first.setdefault(dims[axis], place)
    return list(order) == sorted(space.solid(value), key=lambda axis: first[dims[axis]])
