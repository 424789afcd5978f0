"""Write torch.cond and scan out as straight graphs.

Stock Keras saves no model in which a function is an argument of an op. The branches of torch.cond
are pure, so both are computed and one is taken. A scan over a known number of steps is written out.
while_loop stays a call, as does a scan of dynamic length; both are refused by the importer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import fx
from torch._ops import HigherOrderOperator

from torch2keras.fx_passes.fake_values import Emitter, NewNode, fake_mode_of, size_as_number

aten = torch.ops.aten


MOST_STEPS = 256
"""Scans of more steps are refused: their graph would be large, and slow to build."""


CopyGraph = Callable[[fx.Node, Sequence[Any]], Any]
"""Appends the sub-graph that a get_attr node names, on these operands; returns its outputs."""


def write_out_control_flow(graph: fx.Graph, node: fx.Node, new: NewNode, copy: CopyGraph) -> Any:
    """Append the straight graph of a call of control flow, and return its outputs.

    None for a call that has to stay one, and for every other node.
    """
    if not isinstance(node.target, HigherOrderOperator):
        return None
    emit = Emitter(graph, fake_mode_of(node.graph), node)
    if str(node.target) == "cond":
        return _compute_both_branches(emit, new, copy)
    if str(node.target) == "scan":
        return _write_out_steps(emit, new, copy)
    return None


def _compute_both_branches(emit: Emitter, new: NewNode, copy: CopyGraph) -> Any:
    """Append both branches of torch.cond, and a choice between each pair of outputs."""
    predicate, yes, no, operands = cast("tuple[Any, ...]", emit.origin.args)
    if not isinstance(predicate, fx.Node):
        return None
    if not isinstance(predicate.meta.get("val"), torch.Tensor):
        return None  # a comparison of sizes: there is no tensor to choose by
    given = fx.node.map_arg(operands, new)
    condition = emit(aten.reshape.default, new(predicate), [])
    pairs = zip(copy(yes, given), copy(no, given), strict=True)
    return tuple(emit(aten.where.self, condition, a, b) for a, b in pairs)


def _write_out_steps(emit: Emitter, new: NewNode, copy: CopyGraph) -> Any:
    """Append the steps of a scan one after the other.

    Returns the carried values after the last step, then the other results of all steps, stacked.
    """
    function, *parts = cast("tuple[Any, ...]", emit.origin.args)
    carried, sequences, fixed = (list(fx.node.map_arg(part, new)) for part in parts)
    count = size_as_number(sequences[0].meta["val"].shape[0])
    if count is None or count > MOST_STEPS:
        return None
    results_of_steps: list[list[Any]] = []
    for step in range(count):
        entries = [emit(aten.select.int, sequence, 0, step) for sequence in sequences]
        outputs = list(copy(function, [*carried, *entries, *fixed]))
        carried = outputs[: len(carried)]
        results_of_steps.append(outputs[len(carried) :])
    results = zip(*results_of_steps, strict=True)
    return (*carried, *(emit(aten.stack.default, list(steps), 0) for steps in results))
