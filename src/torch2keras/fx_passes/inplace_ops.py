"""The functional form of each in-place op.

`add_` becomes `add`, `copy_` a cast and an expand, `zero_` becomes `zeros_like`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import torch
from torch import fx
from torch._ops import OpOverload

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.fake_values import Emitter, same_sizes, size_as_number
from torch2keras.fx_passes.source_lines import origin_rows

aten = torch.ops.aten


# In-place ops that only change how a tensor is seen, or what autograd knows of it: self becomes a
# view of itself.
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


_RUNNING = ("running_mean", "running_var")


# Ops that update operands only where a flag says so, which their schemas don't tell:
# op -> (flag, operands it updates).
HIDDEN_WRITES: dict[OpOverload, tuple[str, tuple[str, ...]]] = {
    aten.batch_norm.default: ("training", _RUNNING),
    aten.native_batch_norm.default: ("training", _RUNNING),
    aten._native_batch_norm_legit.default: ("training", _RUNNING),  # noqa: SLF001 - ATen's name
    aten.instance_norm.default: ("use_input_stats", _RUNNING),
}


# In-place ops that are functional under another name than theirs without the underscore.
_RENAMED = {
    "aten::normal_": "normal_functional",
    "aten::__ior__": "__or__",
    "aten::__iand__": "__and__",
    "aten::__ixor__": "__xor__",
    "aten::__ilshift__": "__lshift__",
    "aten::__irshift__": "__rshift__",
}


def find_written_operands(node: fx.Node) -> tuple[fx.Node, ...]:
    """The operands that an op writes to."""
    if not isinstance(node.target, OpOverload):
        return ()
    bound = _bind(node)
    if node.target in HIDDEN_WRITES:
        flag, names = HIDDEN_WRITES[node.target]
        if not bound.get(flag):
            return ()
    else:
        arguments = node.target._schema.arguments
        names = tuple(argument.name for argument in arguments if _is_written(argument))
    operands = map(bound.get, names)
    return tuple(operand for operand in operands if isinstance(operand, fx.Node))


@cache
def find_functional_overload(op: OpOverload) -> OpOverload | None:
    """The overload that gives the new value of `op`'s first argument and changes nothing.

    None where there is none: for resize_ and set_, whose result has another shape or other memory,
    for `out=` variants, and for ops that write to several operands.
    """
    schema = op._schema
    is_in_place = schema.name.startswith("aten::") and schema.name.endswith("_")
    if not is_in_place or torch.Tag.inplace_view in op.tags:
        return None
    if list(map(_is_written, schema.arguments)).count(True) != 1:
        return None
    if not _is_written(schema.arguments[0]):
        return None
    base = _RENAMED.get(schema.name, schema.name.removeprefix("aten::").removesuffix("_"))
    packet = getattr(aten, base, None)
    if packet is None:
        return None
    fitting = []
    for name in packet.overloads():
        overload = getattr(packet, name)
        if not overload._schema.is_mutable and _have_same_arguments(overload, op):
            fitting.append(overload)
    for overload in fitting:
        if overload._overloadname == op._overloadname:
            return cast("OpOverload", overload)
    return fitting[0] if fitting else None


def emit_new_value(emit: Emitter, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> fx.Node:
    """Append the value that an in-place op gives its first operand.

    The value has the shape and the dtype of that operand. The op is the origin of `emit`; `args`
    and `kwargs` are its operands as nodes of the new graph.

    Raises UnsupportedOpError for an op without functional form (`out=` variants, resize_, set_,
    ops that write to several operands).
    """
    target, destination = cast("OpOverload", emit.origin.target), args[0]
    if target.overloadpacket is aten.zero_:
        return emit(aten.zeros_like.default, destination)
    if target is aten.fill_.Scalar:
        return emit(aten.full_like.default, destination, args[1])
    if target.overloadpacket is aten.copy_ or target is aten.fill_.Tensor:
        return _cast_and_expand(emit, args[1], destination)
    functional = find_functional_overload(target)
    if functional is None:
        raise UnsupportedOpError(
            f"{target} has no functional form",
            [
                *origin_rows(emit.origin),
                ("next", "write the change as a new value: y = f(x) for f_(x)"),
            ],
        )
    return _cast_and_expand(emit, emit(functional, *args, **kwargs), destination)


def _cast_and_expand(emit: Emitter, source: fx.Node, destination: fx.Node) -> fx.Node:
    """`source` in the dtype and the shape of `destination`."""
    wanted, value = destination.meta["val"], source.meta["val"]
    if value.dtype != wanted.dtype:
        source = emit(aten.to.dtype, source, wanted.dtype)
    if same_sizes(value.shape, wanted.shape):
        return source
    sizes = list(map(size_as_number, wanted.shape))
    if None in sizes:
        return emit(aten.expand_as.default, source, destination)
    return emit(aten.expand.default, source, sizes)


def _bind(node: fx.Node) -> dict[str, Any]:
    """Argument name -> argument, defaults left out."""
    names = [argument.name for argument in cast("OpOverload", node.target)._schema.arguments]
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def _is_written(argument: torch.Argument) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _have_same_arguments(first: OpOverload, second: OpOverload) -> bool:
    """Whether the types and, after the first argument (`self` or `input`), the names are equal."""
    left, right = first._schema.arguments, second._schema.arguments
    if [str(argument.type) for argument in left] != [str(argument.type) for argument in right]:
        return False
    return [argument.name for argument in left[1:]] == [argument.name for argument in right[1:]]
