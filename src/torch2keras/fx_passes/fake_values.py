"""Fake values of graph nodes: shape, dtype and aliasing without data.

They are computed by running ops on PyTorch's fake tensors; a pass that appends a node uses an
`Emitter`, which gives the node its value and its origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef

ORIGIN_KEYS = (
    "nn_module_stack",
    "stack_trace",
    "source_fn_stack",
    "torch_fn",
    "custom",
    "from_node",
)
"""The entries of a node's meta that say where it comes from."""


NewNode = Callable[[fx.Node], Any]
"""Gives what stands for a node of the old graph in the new one."""


def fake_mode_of(graph: fx.Graph) -> FakeTensorMode:
    """The mode under which the values of a graph were computed.

    A new one for a graph without tensors.
    """
    for node in graph.nodes:
        for value in leaves(node.meta.get("val")):
            if isinstance(value, FakeTensor):
                return value.fake_mode
    return FakeTensorMode(allow_non_fake_inputs=True)


def leaves(value: Any) -> Iterable[Any]:
    """The single values of a node: a tensor itself, the elements of a list of tensors."""
    if isinstance(value, (list, tuple)):
        for element in value:
            yield from leaves(element)
    else:
        yield value


def value_of(argument: Any) -> Any:
    """An argument of a node with every node in it replaced by its fake value."""
    return fx.node.map_arg(argument, lambda node: node.meta["val"])


def compute_value(
    mode: FakeTensorMode, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The fake result of `target` on node arguments, symbolic sizes included.

    Raises what the op raises.
    """
    with mode, torch.no_grad():
        return target(*value_of(args), **value_of(kwargs))


def storage_key(value: Any) -> int | None:
    """Equal for tensors that share memory; None for what is no dense tensor."""
    if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        return None
    return int(StorageWeakRef(value.untyped_storage()).cdata)  # type: ignore[no-untyped-call]


def size_as_number(size: Any) -> int | None:
    """A size as a number; None for a symbolic one.

    A symbol that torch.export fixed afterwards stands in the shapes as a SymInt that is a number.
    """
    return int(size) if symbolic_expression(size) is None else None


def fix_known_sizes(mode: FakeTensorMode, value: Any) -> Any:
    """A fake value of the same shape in which each symbol that is a number is written as one.

    make_fx takes such a symbol for a dynamic size. A value without one is given back, strides and
    all.
    """
    if not isinstance(value, torch.Tensor):
        return value
    sizes: list[Any] = list(value.shape)
    has_known_symbol = False
    for dim, size in enumerate(sizes):
        number = size_as_number(size)
        if number is not None and not isinstance(size, int):
            sizes[dim] = number
            has_known_symbol = True
    if not has_known_symbol:
        return value
    with mode:
        return value.new_empty(sizes)


def symbolic_expression(size: Any) -> Any:
    """The sympy expression of a symbolic size; None for a number."""
    if isinstance(size, int):
        return None
    expression = size.node.expr
    return None if expression.is_number else expression


def same_size(first: Any, second: Any) -> bool:
    """Whether two sizes are known to be equal; never adds a guard."""
    return str(first) == str(second)


def same_sizes(first: Iterable[Any], second: Iterable[Any]) -> bool:
    """Whether two shapes (or strides) are known to be equal."""
    left, right = tuple(first), tuple(second)
    return len(left) == len(right) and all(
        same_size(a, b) for a, b in zip(left, right, strict=True)
    )


def origin_meta(node: fx.Node) -> dict[str, Any]:
    """The part of a node's meta that says where it comes from."""
    return {key: node.meta[key] for key in ORIGIN_KEYS if key in node.meta}


def copy_node(graph: fx.Graph, node: fx.Node, new: NewNode) -> fx.Node:
    """Append a copy of a node, its operands replaced by `new`; placeholders keep their names.

    A graph that makes its own names calls a second "input" (a Python word) input_1; the signature
    of a program finds its placeholders by name.
    """
    copy = graph.node_copy(node, new)
    if node.op == "placeholder":
        copy.name = node.name
    return copy


@dataclass(frozen=True)
class Emitter:
    """Appends calls to `graph` in place of the node `origin` of another graph."""

    graph: fx.Graph
    mode: FakeTensorMode
    origin: fx.Node

    def __call__(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        """Append a call whose value is computed and whose origin is that of `origin`."""
        node = self.graph.call_function(target, args, kwargs)
        value = compute_value(self.mode, target, args, kwargs)
        node.meta = {**origin_meta(self.origin), "val": value}
        return node
