"""Signatures: the ways to run one node, each an order for every operand and result."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch2keras.declarations.labels import AxisLabel, LabelKind, Slot
from torch2keras.declarations.patterns import Token, TokenKind, expand_stars
from torch2keras.graph.ir import Constant, Node, Value
from torch2keras.layout.axes import AxisSpace, Terms, term_values

Order = tuple[int, ...]
"""A value's axes longer than one, by their number in PyTorch's order, in the order in which they are stored."""


@dataclass(frozen=True)
class Signature:
    """One way to run a node: an order for each operand and result."""

    orders: tuple[Order, ...]
    total: tuple[AxisLabel, ...]
    """The common order of all labels that the term orders are taken from."""
    cost: float = 0.0
    """In transposes; above 0 where a kernel does not run in its own order, or TensorFlow transposes inside."""


def solid_labels(space: AxisSpace, value: Value, labels: Sequence[AxisLabel]) -> list[AxisLabel]:
    """The labels of the axes that are longer than one."""
    return [labels[i] for i in space.solid(value)]


def complete_signature(
    space: AxisSpace, node: Node, terms: Terms, slot: int, order: Order
) -> Signature:
    """The signature that follows when term `slot` of a node is stored in `order`."""
    values = term_values(node)
    seed = [terms.labels[slot][i] for i in order]
    if terms.kernel is None:
        total = _gather_dims(_total(space, values, terms, seed))
        free = _orders(space, values, terms, total)
        return Signature(free, tuple(total), signature_cost(values, terms, free))
    batch = [x for x in _total(space, values, terms, seed) if x.label.is_free]
    orders = []
    for value, labels, tokens in zip(values, terms.labels, terms.kernel.terms, strict=True):
        wanted = kernel_order(labels, tokens, batch, seed)
        solid = space.solid(value)
        orders.append(tuple(i for i in wanted if i in solid))
    return Signature(tuple(orders), tuple(batch))


def signature_cost(values: Sequence[Value], terms: Terms, orders: Sequence[Order]) -> float:
    """What an op that runs in any order costs in these; constants are brought into any order beforehand."""
    if terms.cost is None:
        return 0.0
    words = [[labels[i] for i in order] for labels, order in zip(terms.labels, orders, strict=True)]
    return sum(
        p
        for p, value in zip(terms.cost(words), values, strict=True)
        if not isinstance(value, Constant)
    )


def reorder_kernel(
    space: AxisSpace, node: Node, terms: Terms, slot: int, order: Order, cost: float
) -> Iterator[Signature]:
    """The signatures of a kernel that runs in other orders too, when term `slot` is stored in `order`.

    Each operand or result that is not in the kernel's order has the cost.
    Labels that the term lacks come last, which leaves the other terms in the kernel's order where that is possible, or
    in the place of their partners. The first dimension stays first: stock layers take it for the batch. None where a
    named dimension is of size one, which has no place in an order.
    """
    values, free = term_values(node), replace(terms, kernel=None)
    if any(
        size == 1 and not label.label.is_free
        for value, labels in zip(values, terms.labels, strict=True)
        for size, label in zip(space.sizes(value), labels, strict=True)
    ):
        return
    seed = [terms.labels[slot][i] for i in order]
    last = [
        *seed,
        *dict.fromkeys(x for labels in reversed(terms.labels) for x in labels if x not in seed),
    ]
    for total in (_gather_dims(last), _gather_dims(_total(space, values, free, seed))):
        orders = _orders(space, values, free, total)
        data = [k for k, v in enumerate(values) if not isinstance(v, Constant)]
        first = {terms.labels[k][orders[k][0]] if orders[k] else None for k in data}
        out = sum(
            complete_signature(space, node, terms, k, orders[k]).orders[k] != orders[k]
            for k in data
        )
        if out and len(first) == 1:
            yield Signature(orders, tuple(total), cost * out)


def kernel_order(
    labels: Sequence[AxisLabel],
    tokens: Sequence[Token],
    batch: Sequence[AxisLabel],
    seed: Sequence[AxisLabel],
) -> list[int]:
    """All axes of one term in the order of the kernel's pattern; within one name, as in the seed where it has them."""
    out: list[int] = []
    for group in kernel_groups(labels, tokens, batch, seed):
        out += group
    return out


def kernel_groups(
    labels: Sequence[AxisLabel],
    tokens: Sequence[Token],
    batch: Sequence[AxisLabel],
    seed: Sequence[AxisLabel],
) -> list[tuple[int, ...]]:
    """The axes of each stored dimension of one term, by the kernel's pattern; an absent optional name is ()."""
    index = {label: i for i, label in enumerate(labels)}
    stars = len({label.slot for label, _ in labels if _star(label.slot, tokens)})
    groups: list[tuple[int, ...]] = []
    units = (i for i, (label, _) in enumerate(labels) if label.slot.kind is LabelKind.UNIT)
    for token in expand_stars(
        tokens, stars // max(1, sum(t.kind is TokenKind.STAR for t in tokens))
    ):
        if token.kind is TokenKind.ELLIPSIS:
            groups += [(index[x],) for x in batch if x in index]
            continue
        axes = list[int]()
        if token.kind is TokenKind.UNIT:
            axes += itertools.islice(units, 1)
        for slot in token.slots:
            own = [x for x in labels if x.label.slot == slot]
            own.sort(
                key=lambda x: (
                    x.label.is_ordered or x not in seed,
                    seed.index(x) if x in seed and not x.label.is_ordered else x.factor,
                )
            )
            axes += [index[x] for x in own]
        groups.append(tuple(axes))
    return groups


def _star(slot: Slot, tokens: Sequence[Token]) -> bool:
    return any(
        t.kind is TokenKind.STAR and slot.kind is LabelKind.NAMED and slot.name == t.name
        for t in tokens
    )


def _total(
    space: AxisSpace, values: Sequence[Value], terms: Terms, seed: list[AxisLabel]
) -> list[AxisLabel]:
    """A total order of all labels that starts from a term's; the others go beside their neighbours."""
    total = list(seed)
    pairs = list(zip(values, terms.labels, strict=True))
    for value, labels in reversed(pairs):
        insert_missing(total, solid_labels(space, value, labels))
    return total


def insert_missing(total: list[AxisLabel], labels: Sequence[AxisLabel]) -> None:
    """Put each label that `total` lacks beside one of its slot, else behind its predecessor's dimension, else first."""
    previous: AxisLabel | None = None
    for label in labels:
        if label not in total:
            siblings = [i for i, x in enumerate(total) if x.label.slot == label.label.slot]
            beside = siblings or (
                [i for i, x in enumerate(total) if x.label.slot == previous.label.slot]
                if previous
                else []
            )
            total.insert(beside[-1] + 1 if beside else 0, label)
        previous = label


def _gather_dims(total: list[AxisLabel]) -> list[AxisLabel]:
    """Named dimensions in one piece, at the place of their first axis, those whose order matters in order."""
    out: list[AxisLabel] = []
    for label in total:
        if label in out:
            continue
        if label.label.is_free:
            out.append(label)
            continue
        same = [x for x in total if x.label.slot == label.label.slot]
        out += sorted(
            same, key=lambda x: (x.label.term, x.factor if x.label.is_ordered else total.index(x))
        )
    return out


def _orders(
    space: AxisSpace, values: Sequence[Value], terms: Terms, total: Sequence[AxisLabel]
) -> tuple[Order, ...]:
    rank = {label: i for i, label in enumerate(total)}
    return tuple(
        tuple(sorted(space.solid(value), key=lambda i: rank[labels[i]]))
        for value, labels in zip(values, terms.labels, strict=True)
    )


def keeps_dims_whole(space: AxisSpace, value: Value, order: Order) -> bool:
    """Whether an order moves whole dimensions only, as a public port must."""
    dims = space.dim_of(value)
    runs = [dims[i] for i in order]
    return list(order) == [
        i for d in dict.fromkeys(runs) for i in space.solid(value) if dims[i] == d
    ]
