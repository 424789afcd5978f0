"""The law of every declaration, on PyTorch alone.

A label without a prime says: the op treats the positions of this axis alike. So the same
permutation of the positions, applied to every operand that has the label, must permute the result
along it, or leave a result without it unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import torch

from torch2keras.declarations.labels import Dim, Label
from torch2keras.declarations.registry import registry
from torch2keras.graph.interpreter import evaluate_node, measure_symbols
from torch2keras.graph.ir import Constant, Graph, Node, Value
from torch2keras.layout.axes import AxisMap, term_values
from torch2keras.layout.axis_maps import build_axis_map
from torch2keras.op_facts import draws_random_numbers
from torch2keras.verification.float64_keras import widen_input

Tensors = Mapping[Value, torch.Tensor]


def broken_laws(graph: Graph, inputs: Sequence[torch.Tensor]) -> Iterator[str]:
    """Each declaration that does not hold for some node of the graph on these inputs."""
    inputs = [widen_input(given) for given in inputs]
    known: dict[Value, torch.Tensor] = dict(zip(graph.inputs, inputs, strict=True))
    symbols, read = measure_symbols(graph, inputs), {*graph.uses(), *graph.output_values()}
    for node in graph.nodes:
        known |= {v: widen_input(v.data) for v in node.operands if isinstance(v, Constant)}
        try:
            results = evaluate_node(node, known.__getitem__, symbols)
        except NotImplementedError:  # max_pool1d of integers: only inside of a module
            return
        known |= dict(zip(node.outputs, results, strict=True))
        declared = (
            build_axis_map(node) if node.op in registry.lowerings and not random(node) else None
        )
        if declared is not None:
            yield from (
                f"{node.op}: {law}" for law in broken_labels(node, declared, known, symbols, read)
            )
            yield from (
                f"{node.op}: {law}" for law in broken_pointwise(node, declared, known, symbols)
            )


def random(node: Node) -> bool:
    return draws_random_numbers(node.op)


def broken_pointwise(
    node: Node, declared: AxisMap, known: Tensors, symbols: Mapping
) -> Iterator[str]:
    """Of an op on each position alone: any permutation of all elements is one of the result."""
    shapes = {known[v].shape for v in term_values(node)}
    if not declared.pointwise or len(shapes) > 1:
        return
    (shape,) = shapes
    order = torch.randperm(shape.numel(), generator=torch.Generator().manual_seed(1))
    mixed = {v: known[v].flatten()[order].reshape(shape) for v in term_values(node)}
    results = evaluate_node(node, mixed.__getitem__, symbols)
    for value, result in zip(node.outputs, results, strict=True):
        if not torch.allclose(result, mixed[value], rtol=1e-9, atol=1e-9, equal_nan=True):
            yield f"positions do not stand alone, in {value}"


def broken_labels(
    node: Node, declared: AxisMap, known: Tensors, symbols: Mapping, read: Collection[Value]
) -> Iterator[str]:
    """The labels of a node along which permuted operands do not give permuted results."""
    terms = list(zip(term_values(node), declared.dims, strict=True))
    sizes = label_sizes(node, terms, known)
    for label in dict.fromkeys(
        x for _, dims in terms for dim in dims for x in dim if not x.is_ordered
    ):
        if sizes[label] < 2:  # nothing to permute
            continue
        order = torch.randperm(sizes[label], generator=torch.Generator().manual_seed(1))
        moved: dict[Value, torch.Tensor] = {}
        for value, dims in terms[: len(node.operands)]:
            tensor = permuted(known[value], dims, sizes, label, order)
            if value in moved and not torch.equal(moved[value], tensor):
                break  # one value in two places, of which only one has the label
            moved[value] = tensor
        else:
            results = evaluate_node(node, moved.__getitem__, symbols)
            for (value, dims), result in zip(terms[len(node.operands) :], results, strict=True):
                wanted = permuted(known[value], dims, sizes, label, order)
                if value in read and not torch.allclose(
                    result, wanted, rtol=1e-9, atol=1e-9, equal_nan=True
                ):
                    name = label.slot.text or label.slot.number
                    yield f"the positions of {name} are not treated alike, in {value}"


def label_sizes(
    node: Node, terms: Sequence[tuple[Value, tuple[Dim, ...]]], known: Tensors
) -> dict[Label, int]:
    """What each label measures: alone, as an argument, or as what is left of a group."""
    sizes: dict[Label, int] = {}
    dims = [
        (labels, size)
        for value, of in terms
        for labels, size in zip(of, known[value].shape, strict=True)
    ]
    for labels, size in dims:
        if len(labels) == 1:
            sizes[labels[0]] = max(size, sizes.get(labels[0], 1))
    for labels, size in (pair for pair in dims if len(pair[0]) > 1):
        sizes |= {
            x: node.args[x.slot.text] for x in labels if isinstance(node.args.get(x.slot.text), int)
        }
        missing = [x for x in labels if x not in sizes]
        if len(missing) == 1:
            sizes[missing[0]] = size // math.prod(sizes[x] for x in labels if x not in missing)
    return sizes


def permuted(
    tensor: torch.Tensor,
    dims: tuple[Dim, ...],
    sizes: Mapping[Label, int],
    label: Label,
    order: torch.Tensor,
) -> torch.Tensor:
    """A tensor with the positions of one label in another order.

    A dimension that is broadcast stays.
    """
    for d, labels in enumerate(dims):
        if label not in labels or tensor.shape[d] == 1:
            continue
        split = tensor.unflatten(d, [sizes[x] for x in labels]) if len(labels) > 1 else tensor
        split = split.index_select(d + labels.index(label), order)
        tensor = split.flatten(d, d + len(labels) - 1) if len(labels) > 1 else split
    return tensor
