"""Partitioned boolean quadratic problems: a choice for each node at the least cost in all.

Nodes and edges have costs. Exact reductions, then one heuristic, after
    Scholz, Eckstein: Register Allocation for Irregular Architectures. LCTES/SCOPES 2002
        (R0, R1, R2, RN).
    Hames, Scholz: Nearly Optimal Register Allocation with PBQP. JMLC 2006
        (the cost of RN, and doing without it).
R0, R1 and R2 remove a node of degree 0, 1 or 2: its cheapest choice, tabulated over its neighbours'
choices, becomes a cost of the neighbours. The same step is exact at any degree (bucket elimination:
Dechter, Artificial Intelligence 113, 1999) and is taken while its table is small. RN is left for
wide graphs, and exact re-decisions of blocks follow it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


Edge = tuple[Hashable, Hashable]


Scope = tuple[int, ...]
"""Nodes by position in `Problem.costs`, ascending: the axes of a table."""


LIMIT = 2**16
"""The most entries of a table that is built at degree 3 or more: 512 KiB."""


FEW, WIDER = 32, 64
"""A core of FEW nodes is tried with tables WIDER times as large: 11 nodes of 4 choices, 8 of 6."""


BLOCK = 16
"""Nodes that are re-decided together.

On random graphs 32 of them gained 0.3 %, and took three times as long.
"""


WORK = 200_000
"""Tables that re-deciding may read: some seconds, in graphs with hundreds of RN nodes."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be minimised: the sum of one entry of each array, by the choices of its nodes.

    costs: node -> vector (k,), the cost of each of its k >= 1 choices.
    edges: (a, b) -> matrix (k_a, k_b), a != b; if (a, b) and (b, a) are both given they add up.
    An infinite cost forbids. Raises ValueError for other shapes, unknown nodes, NaN and -inf.
    """

    costs: Mapping[Hashable, Array]
    edges: Mapping[Edge, Array]

    def __post_init__(self) -> None:
        for node, vector in self.costs.items():
            if np.ndim(vector) != 1 or not np.size(vector):
                shape = f"costs of shape {np.shape(vector)}"
                raise ValueError(f"node {node!r}: {shape}; give a vector (k,) with k >= 1")
        for (a, b), matrix in self.edges.items():
            self._check_edge(a, b, matrix)
        for key, array in (*self.costs.items(), *self.edges.items()):
            if not np.all(np.greater(array, -np.inf)):
                step = "give finite numbers, and inf to forbid"
                raise ValueError(f"costs of {key!r} hold NaN or -inf; {step}")

    def _check_edge(self, a: Hashable, b: Hashable, matrix: Array) -> None:
        edge = f"edge ({a!r}, {b!r})"
        if a == b:
            raise ValueError(f"{edge} joins a node to itself; add its diagonal to the node's costs")
        for node in (a, b):
            if node not in self.costs:
                step = "give it a vector in `costs`"
                raise ValueError(f"{edge}: node {node!r} has no costs; {step}")
        want = (len(self.costs[a]), len(self.costs[b]))
        if np.shape(matrix) != want:
            raise ValueError(f"{edge}: matrix of shape {np.shape(matrix)}; its nodes need {want}")


@dataclass(frozen=True)
class Solution:
    """The choice of each node, their cost together, and how many nodes the heuristic fixed.

    heuristic_steps == 0: proven optimal, and a cost of inf proves that nothing is allowed. Else a
    cost of inf only says that nothing allowed was found.
    """

    choice: dict[Hashable, int]
    cost: float
    heuristic_steps: int


def add_edge(edges: MutableMapping[Edge, Array], a: Hashable, b: Hashable, matrix: Array) -> None:
    """Add `matrix` (k_a, k_b) to the edge of a and b, whichever way round it stands in `edges`."""
    key, term = ((b, a), matrix.T) if (b, a) in edges else ((a, b), matrix)
    edges[key] = edges[key] + term if key in edges else term


def cost_of(problem: Problem, choice: Mapping[Hashable, int]) -> float:
    """Return the cost of one choice for every node; inf if it is forbidden."""
    nodes = [float(vector[choice[a]]) for a, vector in problem.costs.items()]
    edges = [float(matrix[choice[a], choice[b]]) for (a, b), matrix in problem.edges.items()]
    return math.fsum(nodes + edges)


def solve(problem: Problem, *, limit: int = LIMIT) -> Solution:
    """Choose for every node.

    The choice is optimal unless a step of degree 3 or more needs a table of more than `limit`
    entries. Where few nodes are left, larger tables are affordable and tried first (see FEW).
    Deterministic:
    among equal costs the lowest choice wins, among equal degrees the node listed first in the
    costs.
    """
    sizes = list(map(len, problem.costs.values()))
    tables = _Tables(sizes, _finite(problem))
    # Fixed before all else: a node with one choice would tie its neighbours together for nothing.
    steps = [tables.fix(node, 0) for node, size in enumerate(sizes) if size == 1]
    steps += _reduce(tables, list(tables.near), limit)
    choice, heuristic_steps = _decide_core(tables, limit)
    _decide(steps, choice)
    named = {name: choice[node] for node, name in enumerate(problem.costs)}
    return Solution(named, cost_of(problem, named), heuristic_steps)


@dataclass(frozen=True)
class _Step:
    """A node that was removed, and its best choice for each choice of the nodes `given`."""

    node: int
    given: Scope
    best: NDArray[np.integer]


class _Tables:
    """A problem under reduction: the sum over `table` is to be minimised. Reducing consumes it."""

    def __init__(self, sizes: Sequence[int], tables: Iterable[tuple[Scope, Array]]) -> None:
        self.sizes = sizes
        self.table: dict[Scope, Array] = {}
        self.scopes: dict[int, dict[Scope, None]] = {}
        """The scopes of each node that is left, in order of arrival."""
        self.near: dict[int, set[int]] = {}
        for scope, table in tables:
            self.add(scope, table)

    def copy(self) -> _Tables:
        return _Tables(self.sizes, self.table.items())

    def add(self, scope: Scope, table: Array) -> None:
        if scope in self.table:
            self.table[scope] = self.table[scope] + table
        elif scope:
            self.table[scope] = table
            for node in scope:
                self.scopes.setdefault(node, {})[scope] = None
                self.near.setdefault(node, set()).update(scope)
                self.near[node].discard(node)

    def shape_of(self, nodes: Iterable[int]) -> list[int]:
        """Return the number of choices of each of these nodes."""
        return list(map(self.sizes.__getitem__, nodes))

    def take(self, node: int) -> list[tuple[Scope, Array]]:
        """Remove a node, and hand over the tables it had a part in."""
        taken = [(scope, self.table.pop(scope)) for scope in self.scopes.pop(node)]
        for scope, _ in taken:
            for other in scope:
                if other != node:
                    del self.scopes[other][scope]
        for other in self.near.pop(node):
            self.near[other].discard(node)
        return taken

    def eliminate(self, node: int) -> _Step:
        """Replace a node by what its best choice costs its neighbours."""
        scope = tuple(sorted((node, *self.near[node])))
        total: Array = np.zeros(self.shape_of(scope))
        for part, table in self.take(node):
            total += table.reshape([self.sizes[x] if x in part else 1 for x in scope])
        axis = scope.index(node)
        given = scope[:axis] + scope[axis + 1 :]
        self.add(given, total.min(axis))
        return _Step(node, given, total.argmin(axis).astype(np.min_scalar_type(self.sizes[node])))

    def fix(self, node: int, choice: int) -> _Step:
        for scope, table in self.take(node):
            index = tuple(choice if x == node else slice(None) for x in scope)
            self.add(tuple(x for x in scope if x != node), table[index])
        return _Step(node, (), np.array(choice))

    def estimate(self, node: int) -> Array:
        """Return RN's cost (k,) of each choice: each table at its cheapest.

        The own costs of the other nodes are included.
        """
        total = np.zeros(self.sizes[node])
        for scope in self.scopes[node]:
            table = self.table[scope]
            other_axes = []
            for axis, other in enumerate(scope):
                if other == node:
                    continue
                shape = [1] * len(scope)
                shape[axis] = -1
                table = table + self.table[other,].reshape(shape)
                other_axes.append(axis)
            total += table.min(tuple(other_axes))
        return total


def _finite(problem: Problem) -> Iterator[tuple[Scope, Array]]:
    """Yield the problem's arrays, with a penalty in place of what is forbidden.

    It outweighs every sum of allowed entries. So the fewest forbidden entries come first, and
    re-deciding can lead the heuristic back from a
    dead end.
    """
    position = dict(zip(problem.costs, range(len(problem.costs)), strict=True))
    arrays: list[tuple[Scope, Array]] = []
    for node, vector in problem.costs.items():
        arrays.append(((position[node],), np.asarray(vector, float)))
    for (a, b), matrix in problem.edges.items():
        i, j, array = position[a], position[b], np.asarray(matrix, float)
        arrays.append(((i, j), array) if i < j else ((j, i), array.T))
    if all(np.isfinite(array).all() for _, array in arrays):
        yield from arrays
        return
    largest = [np.abs(array[np.isfinite(array)]).max(initial=0) for _, array in arrays]
    penalty = 1 + 2 * math.fsum(map(float, largest))
    for scope, array in arrays:
        yield scope, np.where(np.isfinite(array), array, penalty)


def _reduce(tables: _Tables, nodes: Iterable[int], limit: int) -> list[_Step]:
    """Eliminate those of `nodes`, and of the neighbours of what goes, that `limit` allows.

    The lowest degree goes first.
    """
    heap = [(len(tables.near[node]), node) for node in nodes]
    heapify(heap)
    steps = []
    while heap:
        degree, node = heappop(heap)
        near = tables.near.get(node)
        if near is None or degree != len(near):
            continue  # it is gone, or stands elsewhere in the heap with its present degree
        if degree > 2 and math.prod(tables.shape_of((node, *near))) > limit:
            continue
        steps.append(tables.eliminate(node))
        for other in steps[-1].given:
            heappush(heap, (len(tables.near[other]), other))
    return steps


def _descend(tables: _Tables, nodes: Iterable[int], limit: int) -> tuple[list[_Step], list[int]]:
    """Remove every node, beginning with `nodes`, and return the steps, and the nodes RN fixed.

    What is too wide for `limit` is cut by RN at its highest degree.
    """
    steps, fixed = _reduce(tables, nodes, limit), []
    while tables.near:
        node = max(tables.near, key=lambda x: (len(tables.near[x]), -x))
        near = list(tables.near[node])
        fixed.append(node)
        steps.append(tables.fix(node, int(tables.estimate(node).argmin())))
        steps += _reduce(tables, near, limit)
    return steps, fixed


def _decide(steps: Sequence[_Step], choice: dict[int, int]) -> dict[int, int]:
    """Add the choices of the removed nodes, last removed first, and return all."""
    for step in reversed(steps):
        choice[step.node] = int(step.best[_index(choice, step.given)])
    return choice


def _index(choice: Mapping[int, int], nodes: Iterable[int]) -> tuple[int, ...]:
    """Return the place in a table over `nodes` that their choices pick."""
    return tuple(map(choice.__getitem__, nodes))


def _decide_core(core: _Tables, limit: int) -> tuple[dict[int, int], int]:
    """Return the choices of nodes that `limit` does not eliminate, and how many RN fixed."""
    if len(core.near) <= FEW:
        tables = core.copy()
        steps = _reduce(tables, list(core.near), limit * WIDER)
        if not tables.near:
            return _decide(steps, {}), 0
    # From the start again, within `limit`: RN's nodes can be freed one by one only where tables may
    # still grow.
    steps, fixed = _descend(core.copy(), (), limit)
    choice = _decide(steps, {})
    _improve(core, fixed, choice, limit)
    return choice, len(fixed)


def _improve(core: _Tables, fixed: Sequence[int], choice: dict[int, int], limit: int) -> None:
    """Re-decide each of RN's nodes together with what hangs on it, until none gains."""
    held, idle, work = set(fixed), 0, 0
    blocks = [_block(core, centre, held) for centre in fixed]
    for block in cycle(blocks):
        rest = _Tables(core.sizes, _hold_others(core, block, choice))
        before = list(rest.table.items())
        work += sum(len(core.scopes[node]) for node in block)
        # The freed node may stand in every table that its choice was cut out of before.
        found = _decide(_descend(rest, block, limit * core.sizes[block[0]])[0], {})
        old, new = _total(before, choice), _total(before, found)
        idle += 1
        # A difference within rounding is no gain: else two equal choices could alternate for ever.
        if new < old - 1e-12 * abs(old):
            choice.update(found)
            idle = 0
        if idle == len(blocks) or work > WORK:
            return


def _total(tables: Iterable[tuple[Scope, Array]], choice: Mapping[int, int]) -> float:
    return math.fsum(float(table[_index(choice, scope)]) for scope, table in tables)


def _block(core: _Tables, centre: int, held: set[int]) -> list[int]:
    """Return the centre and up to BLOCK - 1 of the nodes nearest to it.

    None of them is reached across `held` ones.
    """
    block, seen = [centre], {centre, *held}
    for node in block:
        reached = sorted(core.near[node] - seen)[: BLOCK - len(block)]
        seen.update(reached)
        block.extend(reached)
    return block


def _hold_others(
    core: _Tables, block: Sequence[int], choice: Mapping[int, int]
) -> Iterator[tuple[Scope, Array]]:
    """Yield the tables over the nodes of `block`, all others at their choices."""
    free = set(block)
    scopes: dict[Scope, None] = {}
    for node in block:
        scopes.update(core.scopes[node])
    for scope in scopes:
        index = tuple(slice(None) if node in free else choice[node] for node in scope)
        yield tuple(node for node in scope if node in free), core.table[scope][index]
