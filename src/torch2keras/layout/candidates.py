"""The candidates of an assignment: orders of each value, and signatures of each node.

An op offers signatures (an order for each operand and result): a kernel those of its own order,
everything else any. Orders grow from kernels and boundaries through the ops, forwards and
backwards: what one node can give, the next one is asked for.
"""

from __future__ import annotations

import itertools

from torch2keras.graph.ir import Constant, Graph, Node, Value
from torch2keras.layout.axes import AxisSpace, term_values
from torch2keras.layout.signatures import (
    Order,
    Signature,
    complete_signature,
    reorder_kernel,
    signature_cost,
)

MOST_ORDERS = 6
"""Orders kept for one value: kernels and boundaries bring two or three, broadcasting the others."""


def find_weight_sharers(graph: Graph) -> frozenset[Node]:
    """Return the nodes that read a constant which another node reads too."""
    readers: dict[int, set[Node]] = {}
    for node in graph.nodes:
        for value in node.operands:
            if isinstance(value, Constant):
                readers.setdefault(id(value.tensor), set()).add(node)
    sharers: set[Node] = set()
    for nodes in readers.values():
        if len(nodes) > 1:
            sharers |= nodes
    return frozenset(sharers)


class Candidates:
    """The orders of each value and the signatures of each node, found so far."""

    def __init__(self, graph: Graph, space: AxisSpace) -> None:
        self.graph, self.space = graph, space
        self.orders: dict[Value, dict[Order, None]] = {}
        """For each value the orders that it may be stored in; PyTorch's is the first."""
        for value in space.factors:
            self.orders[value] = {space.solid(value): None}
        self.signatures: dict[Node, dict[tuple[Order, ...], Signature]] = {}
        """For each node its signatures, by their orders."""
        for node in graph.nodes:
            self.signatures[node] = {}
            if space.terms[node] is None:
                self._offer(node, Signature(tuple(map(space.solid, term_values(node))), ()))
        self._sharers = find_weight_sharers(graph)
        """Nodes that must agree on a layer, so keep to the kernel's order."""
        self._tried: set[tuple[Node, int, Order]] = set()

    def add_order(self, value: Value, order: Order) -> None:
        """Let a value be stored in this order too, if it is one of the graph's."""
        if value in self.orders:
            self.orders[value][order] = None

    def grow(self) -> None:
        """Let orders spread through the ops, forwards and backwards, until none is new."""
        changed = True
        while changed:
            changed = False
            for node in itertools.chain(self.graph.nodes, reversed(self.graph.nodes)):
                changed |= self._grow_node(node)
        for node in self.graph.nodes:
            self._mix(node)

    def _grow_node(self, node: Node) -> bool:
        """Add the signatures that follow from the orders of a node's values; whether one is new."""
        if self.space.terms[node] is None:
            return False
        changed = False
        for slot, value in enumerate(term_values(node)):
            if isinstance(value, Constant) and not _reads_constants_alone(node):
                continue  # a constant is brought into any order: nothing follows from its own
            for order in list(self.orders[value]):
                if (node, slot, order) not in self._tried:
                    self._tried.add((node, slot, order))
                    changed |= self._try_order(node, slot, order)
        return changed

    def _try_order(self, node: Node, slot: int, order: Order) -> bool:
        """Add the signatures in which one term has this order; whether the main one is new."""
        terms = self.space.terms[node]
        assert terms is not None
        signature = complete_signature(self.space, node, terms, slot, order)
        is_new = self._offer(node, signature)
        for value, other in zip(term_values(node), signature.orders, strict=True):
            if len(self.orders[value]) < MOST_ORDERS:
                self.orders[value].setdefault(other)
        cost = terms.reorder_cost
        if cost is not None and node not in self._sharers:
            for reordered in reorder_kernel(self.space, node, terms, slot, order, cost):
                self._offer(node, reordered)
        return is_new

    def _mix(self, node: Node) -> None:
        """Add, for an equation of two operands, each order of a value beside each of the others."""
        values, terms = term_values(node), self.space.terms[node]
        if terms is None or not terms.equation or len(values) != 3:
            return
        kept: list[list[Order]] = []
        for value in values:
            if isinstance(value, Constant):
                kept.append([self.space.solid(value)])
            else:
                kept.append(list(self.orders[value])[:MOST_ORDERS])
        for orders in itertools.product(*kept):
            self._offer(node, Signature(orders, (), signature_cost(values, terms, orders)))

    def _offer(self, node: Node, signature: Signature) -> bool:
        """Add a signature to a node's; whether it is new."""
        is_new = signature.orders not in self.signatures[node]
        self.signatures[node].setdefault(signature.orders, signature)
        return is_new


def _reads_constants_alone(node: Node) -> bool:
    return all(isinstance(value, Constant) for value in node.operands)
