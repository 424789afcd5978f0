"""What a node's op declares of its dimensions: labels, and what each of them measures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from torch2keras.declarations.labels import Dim, Label
from torch2keras.declarations.patterns import bind_pattern
from torch2keras.declarations.registry import registry
from torch2keras.graph.ir import Node, Size, Value
from torch2keras.graph.symbolic import simplify_size, size_product, size_quotient
from torch2keras.layout.axes import AxisMap, is_one, term_values
from torch2keras.op_facts import OpKind


def find_permutation(node: Node) -> tuple[int, ...]:
    """Return for each dimension of the result the operand's, of an op that reorders dimensions.

    It is read off the strides of a probe.
    """
    rank = node.operands[0].type.rank
    probe = torch.empty_strided((1,) * rank, tuple(range(rank)), device="meta")
    return call_on(node, probe).stride()


def call_on(node: Node, first: torch.Tensor) -> torch.Tensor:
    """Return what the node's op gives of another operand in place of its one."""
    args: dict[str, Any] = dict(node.args)
    for name, value in args.items():
        if isinstance(value, Value):
            args[name] = first
    result: torch.Tensor = node.op(**args)
    return result


def build_axis_map(node: Node) -> AxisMap | None:
    """Return the labels of a node's dimensions; None where it is a view, or pinned."""
    structure = registry.structure_of(node.op)
    if structure is OpKind.PERMUTES or structure is OpKind.COPIES:
        return _map_renaming(node, structure)
    lowering = registry.lowerings.get(node.op)
    found = None if lowering is None else lowering.patterns(node)
    if lowering is None or found is None:
        return None
    pattern, kernel = found
    values = term_values(node)
    if len(pattern.terms) != len(values):
        return None
    dims = bind_pattern(pattern, [value.type.rank for value in values], node.args)
    if not dims:
        return None
    axis_map = AxisMap(
        tuple(dims),
        kernel=kernel,
        reorder_cost=lowering.reorder_cost,
        pointwise=pattern.is_pointwise,
        equation=lowering.equation,
        cost=lowering.cost,
    )
    return axis_map if _measures_all(node, axis_map) else None


def _map_renaming(node: Node, structure: OpKind) -> AxisMap:
    """Return the labels of an op that permutes dimensions, or leaves them as they are."""
    operand: tuple[Dim, ...] = tuple(
        (Label.free(dim),) for dim in range(node.operands[0].type.rank)
    )
    if structure is OpKind.COPIES:
        return AxisMap((operand, operand))
    return AxisMap((operand, tuple(operand[dim] for dim in find_permutation(node))))


def _measures_all(node: Node, axis_map: AxisMap) -> bool:
    """Return whether it is known what each label measures."""
    labels: set[Label] = set()
    for dim, _ in pair_dims(node, axis_map):
        labels.update(dim)
    return label_sizes(node, axis_map).keys() >= labels


def pair_dims(node: Node, axis_map: AxisMap) -> Iterator[tuple[Dim, Size]]:
    """Yield the labels and the size of each dimension of the operands and results."""
    for value, dims in zip(term_values(node), axis_map.dims, strict=True):
        yield from zip(dims, value.type.shape, strict=True)


def label_sizes(node: Node, axis_map: AxisMap) -> dict[Label, Size]:
    """Return what each label measures; a label that is not in the answer is not known.

    It is the size of the dimension that it names alone (broadcasting aside), an argument of its
    name, or what is left of a group by division.
    """
    sizes: dict[Label, Size] = {}
    groups: list[tuple[Dim, Size]] = []
    for labels, size in pair_dims(node, axis_map):
        if len(labels) > 1:
            groups.append((labels, simplify_size(size)))
        elif is_one(sizes.get(labels[0], 1)):
            sizes[labels[0]] = simplify_size(size)
    for labels, size in groups:
        for label in labels:
            argument = node.args.get(label.slot.text)
            if label not in sizes and isinstance(argument, int):
                sizes[label] = argument
        missing = [label for label in labels if label not in sizes]
        if len(missing) == 1:
            known = size_product([sizes[label] for label in labels if label in sizes])
            rest = size_quotient(size, known)
            if rest is not None:
                sizes[missing[0]] = rest
    return sizes
