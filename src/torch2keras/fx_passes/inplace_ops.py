"""The functional form of each in-place op: `add_` -> `add`, `copy_` -> expand and cast, `zero_` -> `zeros_like`."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import torch
from torch import fx
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.fake_values import emit, same_sizes, static_size
from torch2keras.fx_passes.source_lines import origin_rows

aten = torch.ops.aten


# In-place ops that only change how a tensor is seen, or what autograd knows of it: self becomes a view of itself.
RESHAPING: dict[OpOverload, OpOverload] = {
    aten.unsqueeze_.default: aten.unsqueeze.default,
    aten.squeeze_.default: aten.squeeze.default,
    aten.squeeze_.dim: aten.squeeze.dim,
    aten.squeeze_.dims: aten.squeeze.dims,
    aten.t_.default: aten.t.default,
    aten.transpose_.default: aten.transpose.int,
    aten.swapaxes_.default: aten.swapaxes.default,
    aten.swapdims_.default: aten.swapdims.default,
    aten.detach_.default: aten.detach.default,
}


# Ops that update operands only where a flag says so, which their schemas don't tell: op -> (flag, operands it updates).
HIDDEN_WRITES: dict[OpOverload, tuple[str, tuple[str, ...]]] = {
    aten.batch_norm.default: ("training", ("running_mean", "running_var")),
    aten.native_batch_norm.default: ("training", ("running_mean", "running_var")),
    aten._native_batch_norm_legit.default: ("training", ("running_mean", "running_var")),  # noqa: SLF001 - ATen's name
    aten.instance_norm.default: ("use_input_stats", ("running_mean", "running_var")),
}


_RENAMED = {
    "aten::normal_": "normal_functional",
    "aten::__ior__": "__or__",
    "aten::__iand__": "__and__",
    "aten::__ixor__": "__xor__",
    "aten::__ilshift__": "__lshift__",
    "aten::__irshift__": "__rshift__",
}


def written_operands(node: fx.Node) -> tuple[fx.Node, ...]:
    """The operands that an op writes to."""
    if not isinstance(node.target, OpOverload):
        return ()
    bound = _bind(node)
    hidden = HIDDEN_WRITES.get(node.target)
    if hidden is not None:
        names = hidden[1] if bound.get(hidden[0]) else ()
    else:
        names = tuple(
            argument.name
            for argument in node.target._schema.arguments
            if argument.alias_info is not None and argument.alias_info.is_write
        )
    found = (bound.get(name) for name in names)
    return tuple(operand for operand in found if isinstance(operand, fx.Node))


@cache
def functional_overload(op: OpOverload) -> OpOverload | None:
    """The overload that gives the new value of `op`'s first argument and changes nothing; None where there is none."""
    if (
        torch.Tag.inplace_view in op.tags
    ):  # resize_, set_: the result has another shape, or other memory
        return None
    written = [
        argument.alias_info is not None and argument.alias_info.is_write
        for argument in op._schema.arguments
    ]
    name = op._schema.name
    if not written or not written[0] or any(written[1:]):
        return None
    base = _RENAMED.get(name, name.removeprefix("aten::").removesuffix("_"))
    packet = getattr(torch.ops.aten, base, None)
    if packet is None or not name.startswith("aten::") or not name.endswith("_"):
        return None
    overloads = [getattr(packet, overload) for overload in packet.overloads()]
    fitting = [
        found for found in overloads if _same_arguments(found, op) and not found._schema.is_mutable
    ]
    same_name = [found for found in fitting if found._overloadname == op._overloadname]
    return next(iter(same_name or fitting), None)


def new_value(
    graph: fx.Graph, mode: FakeTensorMode, node: fx.Node, args: tuple[Any, ...], kwargs: Any
) -> fx.Node:
    """Append the value that an in-place op gives its first operand, in that operand's shape and dtype.

    `args` and `kwargs` are those of `node`, as nodes of `graph`. Raises UnsupportedOpError for an op without
    functional form (`out=` variants, resize_, set_, ops that write to several operands).
    """
    target, destination = cast("OpOverload", node.target), args[0] if args else None
    packet = target.overloadpacket
    if packet is aten.copy_ or target is aten.fill_.Tensor:
        return _filled(graph, mode, node, destination, args[1])
    if target is aten.fill_.Scalar:
        return emit(graph, mode, node, aten.full_like.default, (destination, args[1]))
    if packet is aten.zero_:
        return emit(graph, mode, node, aten.zeros_like.default, (destination,))
    functional = functional_overload(target)
    if functional is None:
        raise UnsupportedOpError(
            f"{target} has no functional form",
            [*origin_rows(node), ("next", "write the change as a new value: y = f(x) for f_(x)")],
        )
    return _filled(
        graph, mode, node, destination, emit(graph, mode, node, functional, args, **kwargs)
    )


def _filled(
    graph: fx.Graph, mode: FakeTensorMode, origin: fx.Node, destination: Any, source: fx.Node
) -> fx.Node:
    """`source` in the dtype and the shape of `destination`."""
    wanted, value = destination.meta["val"], source.meta["val"]
    if value.dtype != wanted.dtype:
        source = emit(graph, mode, origin, aten.to.dtype, (source, wanted.dtype))
    if same_sizes(value.shape, wanted.shape):
        return source
    sizes = [static_size(size) for size in wanted.shape]
    if None not in sizes:
        return emit(graph, mode, origin, aten.expand.default, (source, sizes))
    return emit(graph, mode, origin, aten.expand_as.default, (source, destination))


def _bind(node: fx.Node) -> dict[str, Any]:
    """Argument name -> argument, defaults left out."""
    names = [argument.name for argument in cast("OpOverload", node.target)._schema.arguments]
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def _same_arguments(first: OpOverload, second: OpOverload) -> bool:
    """Equal types and, after the first argument (`self` or `input`), equal names."""
    left, right = first._schema.arguments, second._schema.arguments
    if [str(argument.type) for argument in left] != [str(argument.type) for argument in right]:
        return False
    return [argument.name for argument in left[1:]] == [argument.name for argument in right[1:]]
