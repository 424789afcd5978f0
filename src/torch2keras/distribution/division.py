"""Choose how each op of a graph is divided over devices, so that all large weights are.

It is the problem of the layouts once more (`layout/pbqp.py`): each node chooses a way, each weight
what is divided of it, and what differs between two of them travels. Alpa poses it so, as an integer
program (https://arxiv.org/abs/2201.12023, section 4).
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from torch2keras.distribution.divided_constants import DividedConstants, constant_key
from torch2keras.distribution.divided_nodes import (
    GATHER,
    DivisionKind,
    NodeDivision,
    NodeWays,
    State,
)
from torch2keras.graph.ir import Constant, Graph, Node, Value
from torch2keras.layout.axes import AxisSpace, term_values
from torch2keras.layout.pbqp import Array, Edge, Problem, add_edge, solve

MEMORY = 1e6
"""What each element of a large weight costs that is not divided, in elements that travel: more
than whatever travels, so that the sizes of the example decide nothing of it."""

REASSEMBLED = 0.5
"""What a large weight costs, as a share, that is divided and gathered again by an op."""

FIRST = 1e-3
"""Tie break: the way that is listed first."""


@dataclass(frozen=True)
class Division:
    """What is divided of each tensor of the module that is a weight, and how."""

    dims: Mapping[Hashable, int]
    """The dimension that is divided, by `constant_key`; those that are whole are missing."""
    hows: Mapping[Hashable, DivisionKind]
    """How the op that reads a large weight is divided by it."""
    large: Collection[Hashable]
    """The kernels and tables: what an op sums over or looks up."""


def divide_graph(graph: Graph, space: AxisSpace, constants: DividedConstants) -> Division:
    """Return the division that leaves least of the large weights whole, at the least traffic."""
    return _Divider(graph, NodeWays(graph, space, constants)).divide()


@dataclass
class _Divider:
    """The problem under construction."""

    graph: Graph
    node_ways: NodeWays
    ways: dict[Node, list[NodeDivision]] = field(default_factory=dict)
    states: dict[Hashable, list[State]] = field(default_factory=dict)
    """What can be divided of each constant, by its key; None first."""
    large: set[Hashable] = field(default_factory=set)
    costs: dict[Hashable, Array] = field(default_factory=dict)
    edges: dict[Edge, Array] = field(default_factory=dict)

    def divide(self) -> Division:
        """Return the division of least cost."""
        self._find_large()
        for node in self.graph.nodes:
            self.ways[node] = self.node_ways.list_ways(node)
            prices = [way.traffic + MEMORY * way.memory for way in self.ways[node]]
            self.costs[node] = np.array(prices) + FIRST * np.arange(len(prices))
        writers: dict[Value, tuple[Node, int]] = {}
        for node in self.graph.nodes:
            for slot, value in enumerate(node.operands):
                if isinstance(value, Constant):
                    self._connect_constant(node, slot, value)
                else:
                    self._connect(node, slot, value, writers.get(value))
            for slot, value in enumerate(node.outputs, len(node.operands)):
                writers[value] = node, slot
        return self._read(solve(Problem(self.costs, self.edges)).choice)

    def _find_large(self) -> None:
        """Note constants with a label that no result of their op has."""
        for node in self.graph.nodes:
            terms = self.node_ways.space.terms[node]
            if terms is None:
                continue
            results = set[Hashable]().union(*terms.labels[len(node.operands) :])
            for value, labels in zip(node.operands, terms.labels, strict=False):
                if isinstance(value, Constant) and not results.issuperset(labels):
                    self.large.add(constant_key(value))

    def _connect_constant(self, node: Node, slot: int, constant: Constant) -> None:
        """Let a constant choose what is divided of it, and pay where a reader has it otherwise."""
        key = constant_key(constant)
        elements = self.node_ways.count(constant)
        is_large = key in self.large
        if key not in self.states:
            self.states[key] = [None, *self.node_ways.constants.find_dims(constant)]
            costs = np.zeros(len(self.states[key]))
            costs[0] = MEMORY * elements * is_large
            self.costs[key] = costs
        share = REASSEMBLED if is_large else 1.0
        states, ways = self.states[key], self.ways[node]
        table = np.zeros((len(states), len(ways)))
        for row, have in enumerate(states):
            for column, way in enumerate(ways):
                want = way.states[slot]
                if have is None and want is not None:
                    table[row, column] = elements
                elif have != want:
                    table[row, column] = MEMORY * elements * share
        add_edge(self.edges, key, node, table)

    def _connect(
        self, node: Node, slot: int, value: Value, writer: tuple[Node, int] | None
    ) -> None:
        """Let what travels between the writer of a value and a reader cost; inputs are whole."""
        forward, backward = self.node_ways.count(value), self.node_ways.weigh(value)
        given: Sequence[State] = [None]
        if writer is not None:
            given = [way.states[writer[1]] for way in self.ways[writer[0]]]
        wanted = [way.states[slot] for way in self.ways[node]]
        table = np.zeros((len(given), len(wanted)))
        for row, have in enumerate(given):
            for column, want in enumerate(wanted):
                if have != want:
                    gathers = forward * (have is not None) + backward * (want is not None)
                    table[row, column] = GATHER * gathers
        if writer is None:
            self.costs[node] = self.costs[node] + table[0]
        else:
            add_edge(self.edges, writer[0], node, table)

    def _read(self, choice: Mapping[Hashable, int]) -> Division:
        """Return what was chosen for the constants."""
        dims: dict[Hashable, int] = {}
        for key, states in self.states.items():
            state = states[choice[key]]
            if state is not None:
                dims[key] = state
        hows: dict[Hashable, DivisionKind] = {}
        for node, ways in self.ways.items():
            way = ways[choice[node]]
            for value, state in zip(term_values(node), way.states, strict=True):
                key = constant_key(value) if isinstance(value, Constant) else None
                if key in self.large and state is not None and dims.get(key) == state:
                    hows.setdefault(key, way.how)
        return Division(dims, hows, self.large)
