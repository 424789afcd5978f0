"""Compute at conversion what depends on constants alone.

Parameters stay what they are: a rearranged parameter (view, transpose, slice) is the same parameter
with moves, and arithmetic on one stays in the graph, where it is trained, unless its result is the
weight of a layer (weight_norm, spectral_norm); then the layer holds the result. Everything else is
computed once, in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from operator import attrgetter
from typing import Any, TypeGuard

import sympy
import torch

from torch2keras.declarations.registry import registry
from torch2keras.graph.element_moves import Apply
from torch2keras.graph.interpreter import evaluate_node
from torch2keras.graph.ir import Constant, Graph, Node, Value, argument_leaves
from torch2keras.op_facts import KEEPS_EACH_ONCE, OpKind, draws_random_numbers, kind_of

WEIGHT_SLOTS = (
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "kernels",
    "recurrent_kernels",
    "biases",
)
"""Schema names of the arguments that a Keras layer holds as weights."""


def fold_constants(graph: Graph) -> Graph:
    """Return the graph with the results of constants alone in place of the nodes that give them.

    A node stays where its result cannot be held as a constant.
    """
    known: dict[Value, Value] = {}
    weights = _find_weights(graph)
    folded: dict[Any, list[Constant]] = {}
    kept = []
    for node in graph.nodes:
        seen = node.replace_values(lambda value: known.get(value, value))
        # A module that is called twice folds once.
        same = (node.op, repr(seen.args), tuple(map(id, seen.operands)))
        results = folded.get(same) or _fold(seen, weights)
        if results is None:
            kept.append(seen)
            continue
        folded[same] = results
        known.update(zip(node.outputs, results, strict=True))
    outputs = [known.get(o, o) if isinstance(o, Value) else o for o in graph.outputs]
    return replace(graph, nodes=tuple(kept), outputs=tuple(outputs))


def _find_weights(graph: Graph) -> set[Value]:
    """Find the values that nothing but weight slots reads, directly or through other values."""
    found: set[Value] = set()
    outside = set(graph.output_values())
    uses = graph.uses()
    for node in reversed(graph.nodes):
        for value in node.outputs:
            readers = uses.get(value, [])
            if not readers or value in outside:
                continue
            if _all_read_as_weight(readers, value, found):
                found.add(value)
    return found


def _all_read_as_weight(readers: Sequence[Node], value: Value, found: set[Value]) -> bool:
    return all(_reads_as_weight(reader, value, found) for reader in readers)


def _reads_as_weight(reader: Node, value: Value, found: set[Value]) -> bool:
    slots = [name for name, argument in reader.args.items() if _holds(argument, value)]
    if slots and set(slots) <= set(WEIGHT_SLOTS) and reader.op in registry.lowerings:
        return True
    return bool(reader.outputs) and found.issuperset(reader.outputs)


def _holds(argument: Any, value: Value) -> bool:
    return id(value) in map(id, argument_leaves(argument))


def _fold(node: Node, weights: set[Value]) -> list[Constant] | None:
    """Return the results of a node as constants.

    None where they have to be computed by the model.
    """
    sources = list(node.operands)
    if not _are_constants(sources) or not node.outputs:
        return None
    if _has_symbols(node) or draws_random_numbers(node.op):
        return None
    kind = kind_of(node.op)
    if len(sources) == 1 and kind in KEEPS_EACH_ONCE:
        return _move_constant(node, sources[0])
    trained = [source for source in sources if source.trainable]
    if trained and kind is OpKind.DETACHES:
        return None  # the parameter is trained where it is read otherwise, and stays one weight
    if trained and not weights.issuperset(node.outputs):
        return None
    return _evaluate(node, trained)


def _are_constants(values: list[Value]) -> TypeGuard[list[Constant]]:
    return all(isinstance(value, Constant) for value in values)


def _evaluate(node: Node, trained: Sequence[Constant]) -> list[Constant]:
    """Return the results of a node of constants, which know the parameters that are behind them."""
    folded_from: dict[str, None] = {}
    for source in trained:
        folded_from.update(dict.fromkeys(source.paths or source.folded_from))
    results = evaluate_node(node, lambda v: v.data if isinstance(v, Constant) else None)
    constants = []
    for number, (value, result) in enumerate(zip(node.outputs, results, strict=True)):
        constant = Constant(
            value.name,
            value.type,
            result,
            trainable=bool(trained),
            folded_from=tuple(folded_from),
            recipe=(node, number),
        )
        constants.append(constant)
    return constants


def _has_symbols(node: Node) -> bool:
    """Return whether a size of a result, or a number among the arguments, is symbolic."""
    arguments = map(argument_leaves, node.args.values())
    shapes = map(attrgetter("type.shape"), node.outputs)
    return any(isinstance(item, sympy.Expr) for item in chain(*shapes, *arguments))


def _move_constant(node: Node, source: Constant) -> list[Constant]:
    """Return the results of a node that rearranges a constant, as the same tensor moved."""
    others = dict(node.args)
    name = next(name for name, argument in node.args.items() if argument is source)
    del others[name]
    returns = node.op._schema.returns
    gives_a_list = len(node.outputs) > 1 or not isinstance(returns[0].type, torch.TensorType)
    constants = []
    for number, value in enumerate(node.outputs):
        move = Apply(node.op, name, tuple(others.items()), number if gives_a_list else None)
        moves = (*source.moves, move)
        constants.append(replace(source, name=value.name, type=value.type, moves=moves))
    return constants
