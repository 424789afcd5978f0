"""Make in-place ops and writes to views functional, and decompose nothing else.

PyTorch's own functionalisation also rewrites dropout and batch_norm, which must stay whole. Here each value of the
given graph is an alias of one storage; a write makes a new value of the whole storage, and every other alias that is
read afterwards is taken anew from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import fx
from torch._ops import OpOverload
from torch.export.graph_signature import InputKind, InputSpec

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.aliases import Aliases
from torch2keras.fx_passes.fake_values import copied, fake_mode_of, storage_key
from torch2keras.fx_passes.inplace_ops import RESHAPING, new_value, written_operands
from torch2keras.fx_passes.source_lines import origin_rows

aten = torch.ops.aten


_has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key  # noqa: SLF001 - as torch._ops asks it


_STATE = {
    InputKind.PARAMETER: "parameter",
    InputKind.BUFFER: "buffer",
    InputKind.CONSTANT_TENSOR: "tensor attribute",
}


def functionalize(
    graph_module: fx.GraphModule, inputs: Sequence[InputSpec] = ()
) -> tuple[fx.GraphModule, tuple[str, ...]]:
    """A new graph without in-place ops, and notes about writes to the caller's inputs.

    `inputs` say which placeholder is which (`ExportedProgram.graph_signature.input_specs`). Placeholders, names and
    meta are kept. Raises UnsupportedOpError for writes to parameters or buffers, and for writes that have no
    functional form.
    """
    if any(written_operands(node) for node in graph_module.graph.nodes):
        graph_module = with_alias_info(graph_module)
    graph = fx.Graph()
    aliases = Aliases(graph, fake_mode_of(graph_module.graph))
    writes: dict[str, list[fx.Node]] = {}
    state = {spec.arg.name: spec for spec in inputs if spec.kind in _STATE}
    for node in graph_module.graph.nodes:
        if node.op == "output":
            graph.output(fx.node.map_arg(node.args[0], aliases.read)).meta = dict(node.meta)
        elif not (written := written_operands(node)):
            aliases.define(node)
        else:
            roots = [aliases.root(operand) for operand in written if node.target not in RESHAPING]
            names = [root.name for root in roots if root.op == "placeholder"]
            for name in names:
                writes.setdefault(name, []).append(node)
            if any(name in state for name in names):
                aliases.define(node)  # refused below, with every other write to the module's state
            else:
                _write(aliases, node)
    notes = _checked_writes(writes, state)
    _drop_dead_code(graph)
    graph.lint()
    return fx.GraphModule(graph_module, graph), notes


def with_alias_info(graph_module: fx.GraphModule) -> fx.GraphModule:
    """A graph whose fake values share storage as the real values would; the given graph where they already do.

    Values lose that information when a program is copied or loaded from a file. And a fake value is made by another
    kernel than the real one, which may be a view where that is not.
    """
    nodes = list(graph_module.graph.nodes)
    views = (node for node in nodes if _is_plain_view(node))
    known = all(
        storage_key(node.meta["val"]) == storage_key(node.args[0].meta["val"]) for node in views
    )
    values = {node: node.meta.get("val") for node in nodes}
    if known and not any(_shares_by_mistake(node, values) for node in nodes):
        return graph_module
    graph = fx.Graph()
    env: dict[fx.Node, fx.Node] = {}
    for given in graph_module.graph.nodes:
        env[given] = copied(graph, given, env.__getitem__)
    mode = fake_mode_of(graph)
    live: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        if node.op == "output":
            continue
        if node.op == "call_function" and not isinstance(
            node.target, torch._ops.HigherOrderOperator
        ):
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), live.__getitem__)
            with mode, torch.no_grad():
                live[node] = _called(node, args, kwargs)
                if _shares_by_mistake(node, live):
                    live[node] = live[node].clone()
            node.meta["val"] = _seen_now(live[node])
        else:
            live[node] = _seen_now(node.meta.get("val"))
    return fx.GraphModule(graph_module, graph)


def _write(aliases: Aliases, node: fx.Node) -> None:
    """Translate one in-place op."""
    destination = node.args[0] if node.args else None
    if node.target in RESHAPING:
        aliases.reshape_in_place(
            node, cast("fx.Node", destination), RESHAPING[cast("OpOverload", node.target)]
        )
        return
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), aliases.read)
    if not isinstance(destination, fx.Node) or written_operands(node) != (destination,):
        raise UnsupportedOpError(
            f"{node.target} writes to operands other than its first",
            [*origin_rows(node), ("next", "call the op without out=, and use what it returns")],
        )
    value = new_value(aliases.graph, aliases.mode, node, args, kwargs)
    aliases.write(destination, value)
    aliases.same(node, destination)


def _checked_writes(
    writes: dict[str, list[fx.Node]], state: dict[str, InputSpec]
) -> tuple[str, ...]:
    """Notes about written inputs; raises for written state, all of it at once."""
    written = [name for name in writes if name in state]
    if written:
        names = ", ".join(f"{_STATE[state[name].kind]} {state[name].target}" for name in written)
        raise UnsupportedOpError(
            f"forward changes {names}",
            [
                *origin_rows(writes[written[0]][0]),
                ("why", "parameters and buffers that forward changes are not converted yet"),
                (
                    "next",
                    "convert a module whose forward leaves its state alone, and keep the state outside",
                ),
            ],
        )
    return tuple(
        f"The module writes to its input {name!r}; the converted model leaves its inputs alone."
        for name in writes
    )


def _drop_dead_code(graph: fx.Graph) -> None:
    """Remove what no output needs; placeholders stay, and so does real control flow's result if it is used."""
    for node in reversed(graph.nodes):
        if node.op not in ("placeholder", "output") and not node.users:
            graph.erase_node(node)


def _is_plain_view(node: fx.Node) -> bool:
    """Ops that always return a view of their first operand."""
    plain = (aten.view.default, aten.transpose.int, aten.slice.Tensor, aten.select.int, aten.permute.default,
             aten.unsqueeze.default, aten.detach.default)  # fmt: skip
    return node.target in plain


def _called(node: fx.Node, args: Any, kwargs: Any) -> Any:
    """The node's fake value, made anew.

    Where PyTorch cannot make it, as of a crop by a symbolic size, the value that it had, if the op gives no view.
    """
    try:
        return node.target(*args, **kwargs)  # type: ignore[operator]
    except RuntimeError:
        if not isinstance(node.target, OpOverload) or any(
            out.alias_info for out in node.target._schema.returns
        ):
            raise
        return _seen_now(node.meta.get("val"))


def _shares_by_mistake(node: fx.Node, values: Mapping[fx.Node, Any]) -> bool:
    """Whether a fake value shares memory with an operand though the op's CPU kernel, as its schema says, has its own.

    Ops without such a kernel are made of others, and keep to their schema less strictly: dropout gives its operand.
    """
    if not isinstance(node.target, OpOverload) or any(
        out.alias_info for out in node.target._schema.returns
    ):
        return False
    key = storage_key(values[node])
    shares = key is not None and key in (
        storage_key(values[operand]) for operand in node.all_input_nodes
    )
    return shares and _has_kernel(node.target.name(), "CPU")  # type: ignore[no-untyped-call]


def _seen_now(value: Any) -> Any:
    """A value as it is now: later in-place changes of shape do not reach it, its storage is the same."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, (list, tuple)):
        return type(value)(_seen_now(element) for element in value)
    return value
