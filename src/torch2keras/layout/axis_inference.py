"""Finds the axes of every value: union-find over the labels that ops declare, refined through views to a fixed point."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from torch2keras.declarations.labels import AxisLabel, Dim, Label
from torch2keras.declarations.patterns import bind_pattern
from torch2keras.declarations.registry import registry
from torch2keras.graph.ir import Graph, Node, Size, Value
from torch2keras.graph.symbolic import simplify_size, size_product, size_quotient
from torch2keras.layout.axes import AxisMap, AxisSpace, Factors, Manner, Terms, term_values
from torch2keras.layout.factorization import group_view_dims, refine_factors
from torch2keras.op_facts import OpKind


def find_permutation(node: Node) -> tuple[int, ...]:
    """Of an op that reorders dimensions: for each result dimension the operand's, read off the strides of a probe."""
    operand = node.operands[0]
    rank = operand.type.rank
    probe = torch.empty_strided((1,) * rank, tuple(range(1, rank + 1)), device="meta")
    moved = call_on(node, probe)
    return tuple(stride - 1 for stride in moved.stride())


def call_on(node: Node, first: torch.Tensor) -> torch.Tensor:
    """The node's op on another first operand."""
    swap: Callable[[Any], Any] = lambda value: first if isinstance(value, Value) else value
    result: torch.Tensor = node.op(**{name: swap(value) for name, value in node.args.items()})
    return result


def build_axis_map(node: Node) -> AxisMap | None:
    """The labels of a node's dimensions; None where it is a view, or pinned."""
    ranks = [v.type.rank for v in term_values(node)]
    structure = registry.structure_of(node.op)
    if structure is OpKind.PERMUTES:
        order = find_permutation(node)
        labels = [(Label.free(d),) for d in range(ranks[0])]
        return AxisMap((tuple(labels), tuple(labels[d] for d in order)))
    if structure is OpKind.COPIES:
        labels = [(Label.free(d),) for d in range(ranks[0])]
        return AxisMap((tuple(labels), tuple(labels)))
    found = node.op in registry.lowerings and registry.lowerings[node.op].patterns(node)
    if not found:
        return None
    pattern, kernel = found
    if len(pattern.terms) != len(ranks):
        return None
    dims = bind_pattern(pattern, ranks, node.args)
    if not dims:
        return None
    lowering = registry.lowerings[node.op]
    known = AxisMap(
        tuple(dims),
        kernel=kernel,
        reorder_cost=lowering.reorder_cost,
        pointwise=pattern.is_pointwise,
        equation=lowering.equation,
        cost=lowering.cost,
    )
    sizes = label_sizes(node, known)
    return known if all(label in sizes for term in dims for dim in term for label in dim) else None


@dataclass
class Factorisation:
    """Union-find of dimensions, each class with its factors."""

    hint: Callable[[Size], int]
    parent: dict[Hashable, Hashable] = field(default_factory=dict)
    factors: dict[Hashable, Factors] = field(default_factory=dict)

    def find(self, item: Hashable) -> Hashable:
        self.parent.setdefault(item, item)
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def union(self, a: Hashable, b: Hashable) -> None:
        self.parent[self.find(a)] = self.find(b)

    def get(self, item: Hashable, size: Size) -> Factors:
        size = simplify_size(size)
        return (1,) if size == 1 else self.factors.get(self.find(item), (size,))

    def equate(
        self, a: Sequence[tuple[Hashable, Size]], b: Sequence[tuple[Hashable, Size]]
    ) -> bool:
        """Give two runs of dimensions with equal products one factorisation; whether anything changed."""
        runs = [[(item, simplify_size(size)) for item, size in run if size != 1] for run in (a, b)]
        left, right = (tuple(f for item, size in run for f in self.get(item, size)) for run in runs)
        if not left or not right or left == right:
            return False
        fine = refine_factors(left, right, self.hint)
        return fine is not None and sum(self._share(run, fine) for run in runs) > 0

    def _share(self, run: Sequence[tuple[Hashable, Size]], fine: Factors) -> bool:
        changed, rest = False, list(fine)
        for item, size in run:
            part: list[Size] = []
            while not part or size_product(part) != size:
                part.append(rest.pop(0))
            if self.factors.get(self.find(item), (size,)) != tuple(part):
                self.factors[self.find(item)] = tuple(part)
                changed = True
        return changed


Run = list[tuple[Hashable, Size]]


def infer_axes(graph: Graph) -> AxisSpace:
    """Split every dimension into axes, so that views become renamings wherever the factors allow it."""
    maps = {node: build_axis_map(node) for node in graph.nodes}
    table = Factorisation(graph.hint)
    equations: list[tuple[Run, Run]] = []
    first: list[tuple[Run, Run]] = []
    for number, node in enumerate(graph.nodes):
        if registry.structure_of(node.op) is OpKind.REGROUPS:
            source, target = node.operands[0], node.outputs[0]
            for left, right in group_view_dims(source.type.shape, target.type.shape, graph.hint):
                equations.append((_run(source, left), _run(target, right)))
        elif (known := maps[node]) is not None:
            (equations if known.kernel else first).extend(_unite(table, number, node, known))
    # Where two splits of a dimension do not nest, the first one holds: views and kernels can do without theirs, but not
    # ops that are nothing but their axes.
    while sum(table.equate(*equation) for equation in (*first, *equations)):
        pass
    values = {v: None for node in graph.nodes for v in term_values(node)} | dict.fromkeys(
        (*graph.inputs, *graph.output_values())
    )
    factors = {
        v: tuple(table.get((v, d), size) for d, size in enumerate(v.type.shape)) for v in values
    }
    terms = {
        node: _view_terms(graph, node, factors)
        if registry.structure_of(node.op) is OpKind.REGROUPS
        else _terms(table, number, node, maps[node], factors)
        for number, node in enumerate(graph.nodes)
    }
    return AxisSpace(factors, terms)


def _run(value: Value, dims: Sequence[int]) -> Run:
    return [((value, d), value.type.shape[d]) for d in dims]


def _unite(table: Factorisation, number: int, node: Node, known: AxisMap) -> list[tuple[Run, Run]]:
    """Unite the dimensions that share a label; the equations that groups like (a b) add."""
    sizes = label_sizes(node, known)
    equations = []
    for value, dims in zip(term_values(node), known.dims, strict=True):
        for d, (labels, size) in enumerate(zip(dims, value.type.shape, strict=True)):
            if len(labels) > 1:
                parts: Run = [((number, label), sizes[label]) for label in labels]
                equations.append((_run(value, [d]), parts))
            elif size != 1 and not labels[0].is_ordered and simplify_size(size) == sizes[labels[0]]:
                table.union((value, d), (number, labels[0]))
    return equations


def label_sizes(node: Node, known: AxisMap) -> dict[Label, Size]:
    """The size of each label: of the dimensions it names alone (broadcasting aside), of an argument, or by division."""
    sizes: dict[Label, Size] = {}
    groups = []
    for value, dims in zip(term_values(node), known.dims, strict=True):
        for labels, size in zip(dims, value.type.shape, strict=True):
            if len(labels) > 1:
                groups.append((labels, simplify_size(size)))
            elif sizes.get(labels[0], 1) == 1:
                sizes[labels[0]] = simplify_size(size)
    for labels, size in groups:
        for label in labels:
            argument = node.args.get(label.slot.text)
            if label not in sizes and isinstance(argument, int):
                sizes[label] = argument
        missing = [label for label in labels if label not in sizes]
        if len(missing) == 1:
            found = size_quotient(
                size, size_product([sizes[x] for x in labels if x not in missing])
            )
            sizes |= {missing[0]: found} if found is not None else {}
    return sizes


def _terms(
    table: Factorisation,
    number: int,
    node: Node,
    known: AxisMap | None,
    factors: Mapping[Value, tuple[Factors, ...]],
) -> Terms | None:
    if known is None:
        return None
    sizes = label_sizes(node, known)
    all_labels = []
    for term, (value, dims) in enumerate(zip(term_values(node), known.dims, strict=True)):
        labels: list[AxisLabel] = []
        for dim, dim_labels in enumerate(dims):
            whole = factors[value][dim]
            if len(dim_labels) > 1:  # a group's part of size one has no axis of its own
                solid = [x for x in dim_labels if sizes[x] != 1] or dim_labels[:1]
                parts = [
                    (x, k, f) for x in solid for k, f in enumerate(table.get((number, x), sizes[x]))
                ]
            else:
                parts = [(dim_labels[0], k, f) for k, f in enumerate(whole)]
            # If another op splits it so that the two do not nest, a kernel that has it in one piece comes to no harm.
            nest = tuple(f for _, _, f in parts) == whole
            if len(parts) != len(whole) or not (nest or _in_one_piece(known, term, dim_labels)):
                return None
            labels += [AxisLabel(x, k) for x, k, _ in parts]
        all_labels.append(tuple(labels))
    return Terms(tuple(all_labels), **{f.name: getattr(known, f.name) for f in fields(Manner)})


def _in_one_piece(known: AxisMap, term: int, labels: Dim) -> bool:
    """Whether the kernel too has these labels in one dimension, in the same order."""
    members = tuple(label.slot for label in labels)
    return known.kernel is not None and any(
        token.slots == members for token in known.kernel.terms[term]
    )


def _view_terms(graph: Graph, node: Node, factors: Mapping[Value, tuple[Factors, ...]]) -> Terms:
    """Labels of a view: equal factors are one axis; a run whose factors do not nest is a block, stored in order."""
    source, target = node.operands[0], node.outputs[0]
    sides: list[list[AxisLabel]] = [[], []]
    for number, runs in enumerate(
        group_view_dims(source.type.shape, target.type.shape, graph.hint)
    ):
        axes = [
            [f for d in run for f in factors[v][d]]
            for v, run in zip((source, target), runs, strict=True)
        ]
        solid = [[f for f in side if f != 1] for side in axes]
        for term, side in enumerate(axes):
            block = solid[0] != solid[1]
            k = 0
            for size in side:
                if size == 1:
                    label = Label.view_unit(number, term)
                elif block:
                    label = Label.block(number, term)
                else:
                    label = Label.free(number)
                sides[term].append(AxisLabel(label, k))
                k += size != 1 or len(side) == 1
    return Terms(tuple(tuple(side) for side in sides), view=True)
