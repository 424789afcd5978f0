"""Find the axes of every value: the factors of its dimensions, the same wherever they are shared.

Dimensions that share a label are united (union-find), and each class has one factorisation. A view
says that the products of two runs of dimensions are equal, and so does a group like (a b); such an
equation refines the factorisations of both sides. Refining is repeated until nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from torch2keras.declarations.labels import AxisLabel, Dim, Label
from torch2keras.declarations.registry import registry
from torch2keras.graph.ir import Graph, Node, Size, Value
from torch2keras.graph.symbolic import simplify_size, size_product
from torch2keras.layout.axes import (
    AxisMap,
    AxisSpace,
    Factors,
    Manner,
    Terms,
    is_one,
    term_values,
)
from torch2keras.layout.axis_maps import build_axis_map, label_sizes
from torch2keras.layout.factorization import group_view_dims, refine_factors
from torch2keras.op_facts import OpKind

Run = list[tuple[Hashable, Size]]
"""Dimensions that follow one another, each with its size."""

Equation = tuple[Run, Run]
"""Two runs whose sizes have equal products."""


@dataclass
class FactorTable:
    """A union-find of dimensions, each class with its factors.

    A dimension is a value and a number, or a node and one of its labels.
    """

    hint: Callable[[Size], int]
    """Gives a size in the example, to order sizes by."""
    parent: dict[Hashable, Hashable] = field(default_factory=dict)
    factors: dict[Hashable, Factors] = field(default_factory=dict)

    def find(self, item: Hashable) -> Hashable:
        """Return the representative of a dimension's class."""
        self.parent.setdefault(item, item)
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def unite(self, a: Hashable, b: Hashable) -> None:
        """Make two dimensions, and all of their classes, the same."""
        self.parent[self.find(a)] = self.find(b)

    def factors_of(self, item: Hashable, size: Size) -> Factors:
        """Return the factors of a dimension of this size."""
        size = simplify_size(size)
        if is_one(size):
            return (1,)
        return self.factors.get(self.find(item), (size,))

    def equate(self, left: Run, right: Run) -> bool:
        """Give two runs with equal products one factorisation; return whether anything changed."""
        runs = [_drop_ones(left), _drop_ones(right)]
        a, b = map(self._run_factors, runs)
        if not a or not b or a == b:
            return False
        fine = refine_factors(a, b, self.hint)
        if fine is None:
            return False
        changed = False
        for run in runs:
            changed |= self._share(run, fine)
        return changed

    def _run_factors(self, run: Run) -> Factors:
        """Return the factors of all dimensions of a run."""
        factors: list[Size] = []
        for item, size in run:
            factors += self.factors_of(item, size)
        return tuple(factors)

    def _share(self, run: Run, fine: Factors) -> bool:
        """Give each dimension of a run its part of the factors; return whether one had others."""
        changed, rest = False, list(fine)
        for item, size in run:
            part: list[Size] = []
            while not part or size_product(part) != size:
                part.append(rest.pop(0))
            if self.factors.get(self.find(item), (size,)) != tuple(part):
                self.factors[self.find(item)] = tuple(part)
                changed = True
        return changed


def _drop_ones(run: Run) -> Run:
    return [(item, simplify_size(size)) for item, size in run if size != 1]


def infer_axes(graph: Graph) -> AxisSpace:
    """Split all dimensions into axes, so that views are renamings wherever the factors allow it."""
    maps = {node: build_axis_map(node) for node in graph.nodes}
    table = FactorTable(graph.hint)
    _refine_all(table, _collect_equations(graph, maps, table))
    factors: dict[Value, tuple[Factors, ...]] = {}
    for value in _list_values(graph):
        dims = enumerate(value.type.shape)
        factors[value] = tuple(table.factors_of((value, dim), size) for dim, size in dims)
    terms: dict[Node, Terms | None] = {}
    for node in graph.nodes:
        axis_map = maps[node]
        if _is_view(node):
            terms[node] = _label_view(graph, node, factors)
        elif axis_map is None:
            terms[node] = None
        else:
            terms[node] = _label_axes(table, node, axis_map, factors)
    return AxisSpace(factors, terms)


def _is_view(node: Node) -> bool:
    return registry.structure_of(node.op) is OpKind.REGROUPS


def _list_values(graph: Graph) -> dict[Value, None]:
    """Return all values of a graph, each once."""
    values: dict[Value, None] = {}
    for node in graph.nodes:
        values |= dict.fromkeys(term_values(node))
    return values | dict.fromkeys((*graph.inputs, *graph.output_values()))


def _collect_equations(
    graph: Graph, maps: Mapping[Node, AxisMap | None], table: FactorTable
) -> list[Equation]:
    """Unite the dimensions that share a label; return the equations of groups and views.

    Where two splits of a dimension do not nest, the first one holds: views and kernels can do
    without theirs, but not ops that are nothing but their axes, so those come first.
    """
    first: list[Equation] = []
    others: list[Equation] = []
    for node in graph.nodes:
        axis_map = maps[node]
        if _is_view(node):
            source, target = node.operands[0], node.outputs[0]
            for left, right in group_view_dims(source.type.shape, target.type.shape, graph.hint):
                others.append((_run_of(source, left), _run_of(target, right)))
        elif axis_map is not None:
            found = first if axis_map.kernel is None else others
            found += _unite_labels(table, node, axis_map)
    return first + others


def _refine_all(table: FactorTable, equations: Sequence[Equation]) -> None:
    """Refine by all equations until none changes anything."""
    changed = True
    while changed:
        changed = False
        for left, right in equations:
            changed |= table.equate(left, right)


def _run_of(value: Value, dims: Sequence[int]) -> Run:
    return [((value, dim), value.type.shape[dim]) for dim in dims]


def _unite_labels(table: FactorTable, node: Node, axis_map: AxisMap) -> list[Equation]:
    """Unite the dimensions that share a label; return the equations that groups like (a b) add."""
    sizes = label_sizes(node, axis_map)
    equations: list[Equation] = []
    for value, dims in zip(term_values(node), axis_map.dims, strict=True):
        for dim, (labels, size) in enumerate(zip(dims, value.type.shape, strict=True)):
            if len(labels) > 1:
                parts: Run = [((node, label), sizes[label]) for label in labels]
                equations.append((_run_of(value, [dim]), parts))
                continue
            (label,) = labels
            is_whole = size != 1 and simplify_size(size) == sizes[label]
            if is_whole and not label.is_ordered:
                table.unite((value, dim), (node, label))
    return equations


def _label_axes(
    table: FactorTable,
    node: Node,
    axis_map: AxisMap,
    factors: Mapping[Value, tuple[Factors, ...]],
) -> Terms | None:
    """Return the label of each axis of a node; None where the axes are not those of its labels."""
    sizes = label_sizes(node, axis_map)
    terms: list[tuple[AxisLabel, ...]] = []
    for slot, (value, dims) in enumerate(zip(term_values(node), axis_map.dims, strict=True)):
        labels: list[AxisLabel] = []
        for whole, dim in zip(factors[value], dims, strict=True):
            own, parts = _label_dim(table, node, dim, sizes, whole)
            # If another op splits it so that the two do not nest, a kernel that has it in one piece
            # comes to no harm.
            nests = parts == whole
            if len(parts) != len(whole) or not (nests or _is_in_one_piece(axis_map, slot, dim)):
                return None
            labels += own
        terms.append(tuple(labels))
    manner = {entry.name: getattr(axis_map, entry.name) for entry in fields(Manner)}
    return Terms(tuple(terms), **manner)


def _label_dim(
    table: FactorTable, node: Node, dim: Dim, sizes: Mapping[Label, Size], whole: Factors
) -> tuple[list[AxisLabel], Factors]:
    """Return the labels of a dimension's axes, and the factors that these should have.

    `whole` are the factors that the dimension has.
    """
    if len(dim) == 1:
        return [AxisLabel(dim[0], number) for number in range(len(whole))], whole
    labels: list[AxisLabel] = []
    parts: list[Size] = []
    # A group's part of size one has no axis of its own.
    for label in [x for x in dim if not is_one(sizes[x])] or dim[:1]:
        for number, factor in enumerate(table.factors_of((node, label), sizes[label])):
            labels.append(AxisLabel(label, number))
            parts.append(factor)
    return labels, tuple(parts)


def _is_in_one_piece(axis_map: AxisMap, slot: int, dim: Dim) -> bool:
    """Return whether the kernel too has these labels in one dimension, in the same order."""
    if axis_map.kernel is None:
        return False
    slots = tuple(label.slot for label in dim)
    return any(token.slots == slots for token in axis_map.kernel.terms[slot])


def _label_view(graph: Graph, node: Node, factors: Mapping[Value, tuple[Factors, ...]]) -> Terms:
    """Return the labels of a view: equal factors are one axis.

    A run whose factors do not nest is a block, which is stored in order.
    """
    source, target = node.operands[0], node.outputs[0]
    terms: tuple[list[AxisLabel], list[AxisLabel]] = ([], [])
    groups = group_view_dims(source.type.shape, target.type.shape, graph.hint)
    for number, (left, right) in enumerate(groups):
        sides = _join_factors(factors[source], left), _join_factors(factors[target], right)
        is_unit = sides[0] == sides[1] == (1,)
        is_block = _drop_units(sides[0]) != _drop_units(sides[1])
        for slot, side in enumerate(sides):
            label = Label.block(number, slot) if is_block else Label.free(number)
            unit = Label.unit(number) if is_unit else Label.view_unit(number, slot)
            terms[slot].extend(_number_axes(side, label, unit))
    return Terms(tuple(map(tuple, terms)), view=True)


def _join_factors(factors: Sequence[Factors], dims: Sequence[int]) -> Factors:
    """Return the factors of these dimensions, one after the other."""
    joined: list[Size] = []
    for dim in dims:
        joined += factors[dim]
    return tuple(joined)


def _drop_units(factors: Factors) -> Factors:
    return tuple(size for size in factors if not is_one(size))


def _number_axes(side: Factors, label: Label, unit: Label) -> list[AxisLabel]:
    """Return the labels of axes that follow one another; those of size one are not counted."""
    labels: list[AxisLabel] = []
    count = 0
    for size in side:
        labels.append(AxisLabel(unit if is_one(size) else label, count))
        count += not is_one(size)
    return labels
