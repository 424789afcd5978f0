"""The casts that `torch.autocast` makes, written out as nodes.

torch.export records the ops of an autocast region without their casts, but with the dtype of each result. Which cast
was made follows from it: the one under which the op gives that dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.fake_values import compute, copied, emit, leaves
from torch2keras.fx_passes.source_lines import origin_rows

aten = torch.ops.aten


def casts_of_autocast(
    graph: fx.Graph,
    mode: FakeTensorMode,
    node: fx.Node,
    new: Callable[[fx.Node], Any],
    low: torch.dtype,
) -> fx.Node:
    """Append a copy of `node`, its floating operands cast as autocast to the dtype `low` casts them.

    Raises UnsupportedOpError where no cast of all operands explains the recorded dtype.
    """
    wanted = _dtypes([node])
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), new)
    if not isinstance(node.target, torch._ops.OpOverload) or node.target._schema.is_mutable:
        return copied(graph, node, new)
    for dtype in (None, low, torch.float32):
        if _result_dtypes(mode, node.target, args, kwargs, dtype) == wanted:
            cast = partial(_cast, graph, mode, node, dtype)
            args, kwargs = fx.node.map_arg((args, kwargs), cast)
            copy = graph.create_node("call_function", node.target, args, kwargs, name=node.name)
            copy.meta = dict(node.meta)
            return copy
    raise UnsupportedOpError(
        f"the casts of torch.autocast around {node.target} are not known",
        [*origin_rows(node), ("next", "convert the module without torch.autocast")],
    )


def _result_dtypes(
    mode: FakeTensorMode, target: Any, args: Any, kwargs: Any, dtype: torch.dtype | None
) -> list[torch.dtype] | None:
    """The dtypes of the op's results when its floating operands are cast to `dtype`; None where it refuses them."""
    scratch = fx.Graph()

    def cast(arg: fx.Node) -> fx.Node:
        stand_in = scratch.placeholder("operand")
        value = arg.meta["val"]
        with mode:
            stand_in.meta["val"] = (
                value.to(dtype) if dtype is not None and _is_floating(value) else value
            )
        return stand_in

    args, kwargs = fx.node.map_arg((args, kwargs), cast)
    try:
        result = compute(mode, target, args, kwargs)
    except (RuntimeError, TypeError, ValueError):
        return None
    return [value.dtype for value in leaves(result) if isinstance(value, torch.Tensor)]


def _cast(
    graph: fx.Graph, mode: FakeTensorMode, origin: fx.Node, dtype: torch.dtype | None, arg: fx.Node
) -> fx.Node:
    value = arg.meta["val"]
    if dtype is None or not _is_floating(value) or value.dtype == dtype:
        return arg
    return emit(graph, mode, origin, aten.to.dtype, (arg, dtype))


def _is_floating(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _dtypes(nodes: Iterable[fx.Node]) -> list[torch.dtype]:
    return [
        value.dtype
        for node in nodes
        for value in leaves(node.meta["val"])
        if isinstance(value, torch.Tensor)
    ]
