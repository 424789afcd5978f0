"""torch.cond and scan as straight graphs: stock Keras saves no model in which a function is an argument of an op.

The branches of torch.cond are pure, so both are computed and one is taken. A scan over a known number of steps is
written out. while_loop stays a call, as does a scan of dynamic length; both are refused by the importer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import fx
from torch._ops import OpOverload

from torch2keras.fx_passes.fake_values import compute, fake_mode_of, origin_of, static_size

aten = torch.ops.aten


MOST_STEPS = 256
"""Scans of more steps are refused: their graph would be large, and slow to build."""


CopyGraph = Callable[[fx.Node, Sequence[Any]], Any]
"""Appends the sub-graph that a get_attr node names, on these operands; returns its outputs."""


def straightened(
    graph: fx.Graph, node: fx.Node, new: Callable[[fx.Node], Any], copy: CopyGraph
) -> Any:
    """What stands for the outputs of a call of control flow; None for one that has to stay a call."""
    name = str(node.target) if isinstance(node.target, torch._ops.HigherOrderOperator) else ""
    straighten = {"cond": _both_branches, "scan": _steps}.get(name)
    return straighten(_Calls(graph, node), node, new, copy) if straighten else None


class _Calls:
    """Appends calls of ops in the place of a node."""

    def __init__(self, graph: fx.Graph, node: fx.Node) -> None:
        self.graph, self.node = graph, node

    def __call__(self, op: OpOverload, *args: Any) -> fx.Node:
        made = self.graph.call_function(op, args)
        made.meta = {
            **origin_of(self.node),
            "val": compute(fake_mode_of(self.node.graph), op, args, {}),
        }
        return made


def _both_branches(
    calls: _Calls, node: fx.Node, new: Callable[[fx.Node], Any], copy: CopyGraph
) -> Any:
    predicate, yes, no, operands = cast("tuple[Any, ...]", node.args)
    if not isinstance(predicate, fx.Node) or not isinstance(
        predicate.meta.get("val"), torch.Tensor
    ):
        return None  # a comparison of sizes: there is no tensor to choose by
    given = fx.node.map_arg(operands, new)
    condition = calls(aten.reshape.default, new(predicate), [])
    pairs = zip(copy(yes, given), copy(no, given), strict=True)
    return tuple(calls(aten.where.self, condition, a, b) for a, b in pairs)


def _steps(calls: _Calls, node: fx.Node, new: Callable[[fx.Node], Any], copy: CopyGraph) -> Any:
    function, *parts = cast("tuple[Any, ...]", node.args)
    carried, sequences, fixed = (list(fx.node.map_arg(part, new)) for part in parts)
    count = static_size(sequences[0].meta["val"].shape[0])
    if count is None or count > MOST_STEPS:
        return None
    made: list[list[Any]] = []
    for step in range(count):
        entries = [calls(aten.select.int, sequence, 0, step) for sequence in sequences]
        results = list(copy(function, [*carried, *entries, *fixed]))
        carried = results[: len(carried)]
        made.append(results[len(carried) :])
    return (
        *carried,
        *(calls(aten.stack.default, list(results), 0) for results in zip(*made, strict=True)),
    )
