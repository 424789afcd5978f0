"""Layouts: the order in which each value's axes are stored, chosen for all values at once.

An op offers signatures (an order for each operand and result); a kernel offers those of its own order, everything else
any. Candidates grow from kernels and boundaries, forwards and backwards. A value that is read in another order than it
is written in costs one transpose, shared by all who read it so. That is a PBQP (`pbqp`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from torch2keras.graph.ir import Constant, Graph, Node, Value
from torch2keras.graph.symbolic import size_product
from torch2keras.layout.axes import AxisSpace, term_values
from torch2keras.layout.pbqp import Problem, add_edge, solve
from torch2keras.layout.signatures import (
    Order,
    Signature,
    complete_signature,
    keeps_dims_whole,
    reorder_kernel,
    signature_cost,
)

CANDIDATES = 6
"""Orders kept for one value: kernels and boundaries bring two or three, broadcasting the others."""


BYTES = 1e-9
"""Tie break between equal numbers of transposes: the smaller tensor moves."""


UNUSUAL = 1e-6
"""Tie break of a public port: PyTorch's own order if nothing speaks against it, the batch first before all."""


@dataclass(frozen=True)
class LayoutPlan:
    """The chosen signature of each node, and the order of each input and output."""

    space: AxisSpace
    signatures: Mapping[Node, Signature]
    inputs: Mapping[Value, Order]
    outputs: tuple[Order | None, ...]


def find_weight_sharers(graph: Graph) -> frozenset[Node]:
    """The nodes that read a constant which another node reads too."""
    readers: dict[int, set[Node]] = {}
    for node in graph.nodes:
        for value in node.operands:
            if isinstance(value, Constant):
                readers.setdefault(id(value.tensor), set()).add(node)
    return frozenset(node for nodes in readers.values() if len(nodes) > 1 for node in nodes)


class Assignment:
    """The growing candidates, and the problem that they make."""

    def __init__(self, graph: Graph, space: AxisSpace) -> None:
        self.graph, self.space = graph, space
        self.candidates: dict[Value, dict[Order, None]] = {
            v: {space.solid(v): None} for v in space.factors
        }
        self.options: dict[Node, dict[tuple[Order, ...], Signature]] = {n: {} for n in graph.nodes}
        self.sharing = find_weight_sharers(graph)
        """Nodes that must agree on a layer, so keep to the kernel's order."""

    def grow(self) -> None:
        """Let candidates spread through the ops, forwards and backwards, until none is new."""
        tried: set[tuple[Node, int, Order]] = set()
        changed = True
        while changed:
            changed = False
            for node in itertools.chain(self.graph.nodes, reversed(self.graph.nodes)):
                changed |= self._grow_node(node, tried)
        for node in self.graph.nodes:
            self._mix(node)

    def _mix(self, node: Node) -> None:
        """Of an equation of two operands: every candidate of each value beside every other."""
        values, terms = term_values(node), self.space.terms[node]
        if terms is None or not terms.equation or len(values) != 3:
            return
        kept = [
            [self.space.solid(v)]
            if isinstance(v, Constant)
            else list(self.candidates[v])[:CANDIDATES]
            for v in values
        ]
        for orders in itertools.product(*kept):
            self._offer(node, Signature(orders, (), signature_cost(values, terms, orders)))

    def _grow_node(self, node: Node, tried: set[tuple[Node, int, Order]]) -> bool:
        values, terms, changed = term_values(node), self.space.terms[node], False
        if terms is None:
            orders = tuple(self.space.solid(v) for v in values)
            new = orders not in self.options[node]
            self.options[node][orders] = Signature(orders, ())
            return new
        for slot, value in enumerate(values):
            if isinstance(value, Constant) and len(node.operands) > sum(
                isinstance(v, Constant) for v in node.operands
            ):
                continue
            for order in list(self.candidates[value]):
                if (node, slot, order) in tried:
                    continue
                tried.add((node, slot, order))
                signature = complete_signature(self.space, node, terms, slot, order)
                changed |= self._offer(node, signature)
                for v, o in zip(values, signature.orders, strict=True):
                    if len(self.candidates[v]) < CANDIDATES:
                        self.candidates[v].setdefault(o)
                if terms.reorder_cost is not None and node not in self.sharing:
                    for other in reorder_kernel(
                        self.space, node, terms, slot, order, terms.reorder_cost
                    ):
                        self._offer(node, other)
        return changed

    def _offer(self, node: Node, signature: Signature) -> bool:
        """Add a signature to a node's options; whether it is new."""
        new = signature.orders not in self.options[node]
        self.options[node].setdefault(signature.orders, signature)
        return new

    def moving(self, value: Value) -> float:
        """What reading a value in another order than it is written in costs."""
        return 1.0 + BYTES * self.graph.hint(size_product(self.space.sizes(value)))

    def public(self, value: Value, wanted: Order | None) -> list[Order]:
        """The orders that a port may have."""
        if wanted is not None:
            return [wanted]
        return [o for o in self.candidates[value] if keeps_dims_whole(self.space, value, o)]

    def port_cost(self, value: Value, order: Order) -> float:
        """PyTorch's own order is best, then one that keeps the first dimension first."""
        usual = self.space.solid(value)
        first = (
            bool(order) and self.space.dim_of(value)[order[0]] != self.space.dim_of(value)[usual[0]]
        )
        return UNUSUAL * (first + 0.1 * (order != usual))


def assign_layouts(
    graph: Graph, space: AxisSpace, layout: Mapping[Value | int, Order | None]
) -> LayoutPlan:
    """Choose a signature for every node.

    `layout` fixes ports: an input (its Value) or an output (its number) has the order given; None or absent is free.
    """
    work = Assignment(graph, space)
    for port, order in layout.items():
        value = graph.outputs[port] if isinstance(port, int) else port
        if order is not None and value in work.candidates:
            work.candidates[value][order] = None
    work.grow()
    costs: dict[Hashable, np.ndarray] = {}
    edges: dict[tuple[Hashable, Hashable], np.ndarray] = {}
    labels: dict[Hashable, list[tuple[Order, ...]]] = {}
    for node in graph.nodes:
        labels[node] = list(work.options[node])
        costs[node] = np.array([s.cost for s in work.options[node].values()])
    ports: list[tuple[Hashable, Value, Order | None]] = [
        (v, v, layout.get(v)) for v in graph.inputs
    ]
    ports += [
        (("out", i), v, layout.get(i)) for i, v in enumerate(graph.outputs) if isinstance(v, Value)
    ]
    for key, value, wanted in ports:
        orders = work.public(value, wanted)
        labels[key] = [(o,) for o in orders]
        costs[key] = np.array([work.port_cost(value, o) if wanted is None else 0.0 for o in orders])
    for value, ends in _readers(graph).items():
        _connect(work, value, ends, labels, costs, edges)
    chosen = solve(Problem(costs, edges)).choice
    pick = {key: labels[key][index] for key, index in chosen.items() if key in labels}
    return LayoutPlan(
        space,
        {n: work.options[n][pick[n]] for n in graph.nodes},
        {v: pick[v][0] for v in graph.inputs},
        tuple(
            pick[("out", i)][0] if isinstance(v, Value) else None
            for i, v in enumerate(graph.outputs)
        ),
    )


End = tuple[Hashable, int]
"""A node or port, and the term of it that touches a value."""


def _readers(graph: Graph) -> dict[Value, tuple[End, list[End]]]:
    """Of each value that can move: who writes it, who reads it."""
    written: dict[Value, End] = {v: (v, 0) for v in graph.inputs}
    read: dict[Value, list[End]] = {}
    for node in graph.nodes:
        for slot, value in enumerate(node.operands):
            read.setdefault(value, []).append((node, slot))
        written |= {v: (node, len(node.operands) + k) for k, v in enumerate(node.outputs)}
    for number, value in enumerate(graph.outputs):
        if isinstance(value, Value):
            read.setdefault(value, []).append((("out", number), 0))
    return {v: (written[v], ends) for v, ends in read.items() if v in written}


def _connect(
    work: Assignment,
    value: Value,
    ends: tuple[End, list[End]],
    labels: Mapping[Hashable, list[tuple[Order, ...]]],
    costs: dict[Hashable, np.ndarray],
    edges: dict[tuple[Hashable, Hashable], np.ndarray],
) -> None:
    """Edges from the writer to the readers; several readers share a hub, so that one copy serves them all."""
    if len(work.space.solid(value)) < 2:
        return
    (writer, slot), readers = ends
    have, cost = [orders[slot] for orders in labels[writer]], work.moving(value)
    if len(readers) > 1:
        hub, copies = ("hub", value), _copies(work.candidates[value], len(readers))
        costs[hub] = np.zeros(len(copies))
        add_edge(
            edges,
            writer,
            hub,
            cost * _table(have, copies, lambda a, kept: sum(a != b for b in kept)),
        )
        for reader, term in readers:
            wanted = [orders[term] for orders in labels[reader]]
            add_edge(
                edges, hub, reader, cost * _table(copies, wanted, lambda kept, b: b not in kept)
            )
        return
    ((reader, term),) = readers
    wanted = [orders[term] for orders in labels[reader]]
    add_edge(edges, writer, reader, cost * _table(have, wanted, lambda a, b: a != b))


def _table(
    rows: Sequence[Any], columns: Sequence[Any], count: Callable[[Any, Any], int]
) -> np.ndarray:
    """How many transposes each row needs beside each column; both repeat, so each pair is asked for once."""
    left, right = dict.fromkeys(rows), dict.fromkeys(columns)
    small = np.array([[count(a, b) for b in right] for a in left], float)
    at_row, at_column = ({x: i for i, x in enumerate(side)} for side in (left, right))
    return small[np.ix_([at_row[a] for a in rows], [at_column[b] for b in columns])]


def _copies(candidates: Iterable[Order], readers: int) -> list[tuple[Order, ...]]:
    """The orders in which a hub may keep a value: one; or two at once, which pays where three or more read it."""
    single: list[tuple[Order, ...]] = [(order,) for order in candidates]
    return single + list(itertools.combinations(candidates, 2)) if readers > 2 else single


def find_transposes(graph: Graph, plan: LayoutPlan) -> Iterator[tuple[Value, Order]]:
    """The transposes that the plan leaves, each once: a value and the order it is also needed in."""
    for value, ((writer, slot), readers) in _readers(graph).items():
        have = _order_at(plan, writer, slot)
        for order in dict.fromkeys(_order_at(plan, reader, term) for reader, term in readers):
            if order != have and not isinstance(value, Constant):
                yield value, order


def _order_at(plan: LayoutPlan, end: Hashable, slot: int) -> Order:
    if isinstance(end, Node):
        return plan.signatures[end].orders[slot]
    if isinstance(end, Value):
        return plan.inputs[end]
    assert isinstance(end, tuple)
    order = plan.outputs[end[1]]
    assert order is not None
    return order
