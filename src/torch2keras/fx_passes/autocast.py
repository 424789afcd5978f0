"""Write the casts that `torch.autocast` makes out as nodes.

torch.export records the ops of an autocast region without their casts, but with the dtype of each
result. Which cast was made follows from it: the one under which the op gives that dtype. See
https://pytorch.org/docs/stable/amp.html#cpu-op-specific-behavior for the ops that PyTorch casts.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.fake_values import Emitter, NewNode, compute_value, copy_node, leaves
from torch2keras.fx_passes.source_lines import origin_rows

aten = torch.ops.aten


def insert_autocast_casts(
    graph: fx.Graph, mode: FakeTensorMode, node: fx.Node, new: NewNode, low: torch.dtype
) -> fx.Node:
    """Append a copy of `node` with its floating operands cast as autocast to `low` casts them.

    Raises UnsupportedOpError where no cast of all operands explains the recorded dtype.
    """
    target = node.target
    if not isinstance(target, OpOverload) or target._schema.is_mutable:
        return copy_node(graph, node, new)
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), new)
    wanted = _dtypes(node.meta["val"])
    for dtype in (None, low, torch.float32):
        if _result_dtypes(mode, target, args, kwargs, dtype) == wanted:
            cast = partial(_cast, Emitter(graph, mode, node), dtype)
            args, kwargs = fx.node.map_arg((args, kwargs), cast)
            copy = graph.create_node("call_function", target, args, kwargs, name=node.name)
            copy.meta = dict(node.meta)
            return copy
    raise UnsupportedOpError(
        f"the casts of torch.autocast around {target} are not known",
        [*origin_rows(node), ("next", "convert the module without torch.autocast")],
    )


def _result_dtypes(
    mode: FakeTensorMode, target: OpOverload, args: Any, kwargs: Any, dtype: torch.dtype | None
) -> list[torch.dtype] | None:
    """The dtypes of the op's results when its floating operands are cast to `dtype`.

    None where the op refuses them; a `dtype` of None leaves the operands as they are.
    """

    def cast(operand: fx.Node) -> Any:
        value = operand.meta["val"]
        return value.to(dtype) if _needs_cast(value, dtype) else value

    with mode:
        args, kwargs = fx.node.map_arg((args, kwargs), cast)
    try:
        result = compute_value(mode, target, args, kwargs)
    except (RuntimeError, TypeError, ValueError):
        return None
    return _dtypes(result)


def _cast(emit: Emitter, dtype: torch.dtype | None, operand: fx.Node) -> fx.Node:
    """A floating operand in another dtype; any other operand, and all without `dtype`, as it is."""
    if not _needs_cast(operand.meta["val"], dtype):
        return operand
    return emit(aten.to.dtype, operand, dtype)


def _needs_cast(value: Any, dtype: torch.dtype | None) -> bool:
    if dtype is None or not isinstance(value, torch.Tensor):
        return False
    return value.is_floating_point() and value.dtype != dtype


def _dtypes(value: Any) -> list[torch.dtype]:
    """The dtypes of the tensors that a value is or holds."""
    return [leaf.dtype for leaf in leaves(value) if isinstance(leaf, torch.Tensor)]
