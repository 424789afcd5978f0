"""Compute at conversion what depends on constants alone.

Parameters stay what they are: a rearranged parameter (view, transpose, slice) is the same parameter with moves, and
arithmetic on one stays in the graph, where it is trained, unless its result is the weight of a layer (weight_norm,
spectral_norm); then the layer holds the result. Everything else is computed once, in float64.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
    """The graph without the nodes whose operands are all constants, where their results can be held as constants."""
    known: dict[Value, Value] = {}
    weights, folded = _weight_only(graph), dict[Any, list[Constant]]()
    kept = []
    for node in graph.nodes:
        seen = node.replace_values(lambda v: known.get(v, v))
        same = (
            node.op,
            repr(seen.args),
            tuple(map(id, seen.operands)),
        )  # a module that is called twice folds once
        results = folded.get(same) or _fold(seen, weights)
        if results is None:
            kept.append(seen)
        else:
            folded[same] = results
            known.update(zip(node.outputs, results, strict=True))
    outputs = tuple(known.get(o, o) if isinstance(o, Value) else o for o in graph.outputs)
    return replace(graph, nodes=tuple(kept), outputs=outputs)


def _weight_only(graph: Graph) -> set[Value]:
    """Values that nothing but weight slots reads, directly or through other such values."""
    found: set[Value] = set()
    outside = set(graph.output_values())
    uses = graph.uses()
    for node in reversed(graph.nodes):
        for value in node.outputs:
            readers = uses.get(value, [])
            if (
                readers
                and value not in outside
                and all(_as_weight(r, value, found) for r in readers)
            ):
                found.add(value)
    return found


def _as_weight(reader: Node, value: Value, found: set[Value]) -> bool:
    slots = [
        name
        for name, argument in reader.args.items()
        if any(leaf is value for leaf in argument_leaves(argument))
    ]
    if slots and all(name in WEIGHT_SLOTS for name in slots) and reader.op in registry.lowerings:
        return True
    return bool(reader.outputs) and all(v in found for v in reader.outputs)


def _fold(node: Node, weights: set[Value]) -> list[Constant] | None:
    if not node.operands and _symbolic(node):
        return None
    if (
        not all(isinstance(v, Constant) for v in node.operands)
        or _symbolic(node)
        or not node.outputs
    ):
        return None
    if draws_random_numbers(node.op):
        return None
    sources = [v for v in node.operands if isinstance(v, Constant)]
    if len(sources) == 1 and kind_of(node.op) in KEEPS_EACH_ONCE:
        return _move_constant(node, sources[0])
    if kind_of(node.op) is OpKind.DETACHES and any(s.trainable for s in sources):
        return None  # the parameter is trained where it is read otherwise, and stays one weight
    learnt = tuple(
        dict.fromkeys(p for s in sources if s.trainable for p in (s.paths or s.folded_from))
    )
    if any(s.trainable for s in sources) and not all(v in weights for v in node.outputs):
        return None
    results = evaluate_node(node, lambda v: v.data if isinstance(v, Constant) else None)
    return [
        Constant(
            v.name,
            v.type,
            t,
            trainable=any(s.trainable for s in sources),
            folded_from=learnt,
            recipe=(node, k),
        )
        for k, (v, t) in enumerate(zip(node.outputs, results, strict=True))
    ]


def _symbolic(node: Node) -> bool:
    sizes = (
        *(s for v in node.outputs for s in v.type.shape),
        *(a for value in node.args.values() for a in argument_leaves(value)),
    )
    return any(isinstance(s, sympy.Expr) for s in sizes)


def _move_constant(node: Node, source: Constant) -> list[Constant]:
    """The same tensor, rearranged."""
    name = next(n for n, a in node.args.items() if a is source)
    others = tuple((n, a) for n, a in node.args.items() if n != name)
    several = len(node.outputs) > 1 or not isinstance(
        node.op._schema.returns[0].type, torch.TensorType
    )
    moves = [Apply(node.op, name, others, k if several else None) for k in range(len(node.outputs))]
    return [
        replace(source, name=v.name, type=v.type, moves=(*source.moves, move))
        for v, move in zip(node.outputs, moves, strict=True)
    ]
