"""Make in-place ops and writes to views functional, and decompose nothing else.

PyTorch's own functionalisation also rewrites dropout and batch_norm, which must stay whole. Here
each value of the given graph is an alias of one storage; a write makes a new value of the whole
storage, and every other alias that is read afterwards is taken anew from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import fx
from torch._ops import HigherOrderOperator, OpOverload
from torch.export.graph_signature import InputKind, InputSpec

from torch2keras.errors import UnsupportedOpError, list_names
from torch2keras.fx_passes.aliases import Aliases
from torch2keras.fx_passes.fake_values import Emitter, copy_node, fake_mode_of, storage_key
from torch2keras.fx_passes.inplace_ops import RESHAPING, emit_new_value, find_written_operands
from torch2keras.fx_passes.source_lines import origin_rows

aten = torch.ops.aten


_has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key  # noqa: SLF001 - as torch._ops asks it


# Ops that always return a view of their first operand.
PLAIN_VIEWS = frozenset(
    {
        aten.view.default, aten.transpose.int, aten.slice.Tensor, aten.select.int,
        aten.permute.default, aten.unsqueeze.default, aten.detach.default,
    }
)  # fmt: skip


_NO_OUT = "call the op without out=, and use what it returns"


_STATISTICS: Mapping[Any, str] = dict.fromkeys(
    (aten.batch_norm.default, aten.instance_norm.default),
    "give it no running statistics, which its output does not depend on:\n"
    "F.batch_norm(x, None, None, weight, bias, training=True)",
)
"""What to do about ops that keep statistics of what they are given."""


_STATE = {
    InputKind.PARAMETER: "parameter",
    InputKind.BUFFER: "buffer",
    InputKind.CONSTANT_TENSOR: "tensor attribute",
}


def functionalize(
    graph_module: fx.GraphModule,
    inputs: Sequence[InputSpec] = (),
    settled: Collection[str] = (),
) -> tuple[fx.GraphModule, tuple[str, ...]]:
    """A new graph without in-place ops, and notes about writes to the caller's inputs.

    `inputs` say which placeholder is which (`ExportedProgram.graph_signature.input_specs`), and
    `settled` names parameters that each call writes the same to, whatever they are given.
    Placeholders, names and meta are kept. Raises UnsupportedOpError for writes to parameters or
    buffers, and for writes that have no functional form.
    """
    if any(map(find_written_operands, graph_module.graph.nodes)):
        graph_module = with_alias_info(graph_module)
    graph = fx.Graph()
    aliases = Aliases(graph, fake_mode_of(graph_module.graph))
    state: dict[str, InputSpec] = {}
    own: dict[str, InputSpec] = {}
    for spec in inputs:
        if spec.kind in _STATE:
            (own if spec.target in settled else state)[spec.arg.name] = spec
    writes: dict[str, list[fx.Node]] = {}
    for node in graph_module.graph.nodes:
        if node.op == "output":
            graph.output(fx.node.map_arg(node.args[0], aliases.read)).meta = dict(node.meta)
            continue
        if not find_written_operands(node):
            aliases.define(node)
            continue
        names = _find_written_placeholders(aliases, node)
        for name in names:
            writes.setdefault(name, []).append(node)
        if state.keys().isdisjoint(names):
            _translate_write(aliases, node)
        else:
            aliases.define(node)  # refused below, with every other write to the module's state
    _refuse_state_writes(writes, state)
    _drop_dead_code(graph)
    graph.lint()
    return fx.GraphModule(graph_module, graph), tuple(_note_writes(writes, own))


def _note_writes(names: Iterable[str], settled: Mapping[str, InputSpec]) -> Iterator[str]:
    """Yield the notes about writes to inputs and to settled parameters."""
    for name in names:
        if name in settled:
            yield (
                f"forward writes to {settled[name].target}, the same in each call: "
                "the converted model computes that from what it was."
            )
        else:
            own = "the converted model leaves its inputs alone"
            yield f"The module writes to its input {name!r}; {own}."


def with_alias_info(graph_module: fx.GraphModule) -> fx.GraphModule:
    """A graph whose fake values share storage as the real values would.

    That is the given graph where its values already do. Values lose that information when a program
    is copied or loaded from a file. And a fake value is made by another kernel than the real one,
    which may be a view where that is not.
    """
    if _has_alias_info(graph_module.graph):
        return graph_module
    graph = fx.Graph()
    env: dict[fx.Node, fx.Node] = {}
    for given in graph_module.graph.nodes:
        env[given] = copy_node(graph, given, env.__getitem__)
    mode = fake_mode_of(graph)
    live: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        if node.op == "output":
            continue
        if node.op != "call_function" or isinstance(node.target, HigherOrderOperator):
            live[node] = _freeze_metadata(node.meta.get("val"))
            continue
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), live.__getitem__)
        with mode, torch.no_grad():
            live[node] = _recompute(node, args, kwargs)
            if _shares_by_mistake(node, live):
                live[node] = live[node].clone()
        node.meta["val"] = _freeze_metadata(live[node])
    return fx.GraphModule(graph_module, graph)


def _has_alias_info(graph: fx.Graph) -> bool:
    """Whether fake values share storage where a view says so, and nowhere by mistake."""
    values: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        values[node] = node.meta.get("val")
        if node.target in PLAIN_VIEWS:
            if storage_key(values[node]) != storage_key(values[node.args[0]]):
                return False
        elif _shares_by_mistake(node, values):
            return False
    return True


def _find_written_placeholders(aliases: Aliases, node: fx.Node) -> list[str]:
    """The names of the placeholders whose memory an in-place op writes to."""
    if node.target in RESHAPING:
        return []
    roots = map(aliases.root, find_written_operands(node))
    return [root.name for root in roots if root.op == "placeholder"]


def _translate_write(aliases: Aliases, node: fx.Node) -> None:
    """Append the functional form of one in-place op.

    Raises UnsupportedOpError for an op that writes to other operands than its first, or that has no
    functional form.
    """
    destination = node.args[0] if node.args else None
    if node.target in RESHAPING:
        functional = RESHAPING[cast("OpOverload", node.target)]
        aliases.reshape_in_place(node, cast("fx.Node", destination), functional)
        return
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), aliases.read)
    if not isinstance(destination, fx.Node) or find_written_operands(node) != (destination,):
        raise UnsupportedOpError(
            f"{node.target} writes to operands other than its first",
            [*origin_rows(node), ("next", _STATISTICS.get(node.target, _NO_OUT))],
        )
    value = emit_new_value(Emitter(aliases.graph, aliases.mode, node), args, kwargs)
    aliases.write(destination, value)
    aliases.identify(node, destination)


def _refuse_state_writes(
    writes: Mapping[str, Sequence[fx.Node]], state: Mapping[str, InputSpec]
) -> None:
    """Raise UnsupportedOpError where the module's state is written to, naming all of it at once."""
    written = [name for name in writes if name in state]
    if not written:
        return
    names = list_names([f"{_STATE[state[name].kind]} {state[name].target}" for name in written])
    first = writes[written[0]][0]
    kinds = [state[name].kind for name in written]
    raise UnsupportedOpError(
        f"forward changes {names}",
        [
            *origin_rows(first),
            ("why", "forward keeps it from one call to the next; a Keras model keeps nothing"),
            ("next", _STATISTICS.get(first.target) or _advise_mode(writes) + _next_step(kinds)),
        ],
    )


def _advise_mode(writes: Mapping[str, Sequence[fx.Node]]) -> str:
    """Return what to do about statistics that a program exported in train mode gathers, else ""."""
    nodes = itertools.chain.from_iterable(writes.values())
    if any(map(_is_training_norm, nodes)):
        return "export the program in eval mode: torch.export.export(module.eval(), args)\n"
    return ""


def _is_training_norm(node: fx.Node) -> bool:
    """Return whether a node is a batch norm that gathers the statistics which it keeps."""
    found = None
    if isinstance(node.target, OpOverload) and "batch_norm" in str(node.target):
        for place, argument in enumerate(node.target._schema.arguments):
            if argument.name in ("training", "train") and place < len(node.args):
                found = node.args[place]
    return found is True


def _next_step(kinds: Sequence[InputKind]) -> str:
    """Return what to do about writes to these kinds of state."""
    steps = []
    if InputKind.PARAMETER in kinds:
        steps.append("compute a new tensor, w = self.weight * 2, in place of a write to it")
    if any(kind is not InputKind.PARAMETER for kind in kinds):
        steps.append('convert(..., state="ports") makes buffers inputs and outputs of the model')
    return "\n".join(steps)


def _drop_dead_code(graph: fx.Graph) -> None:
    """Remove the nodes that no output needs; placeholders stay."""
    for node in reversed(graph.nodes):
        if node.op not in ("placeholder", "output") and not node.users:
            graph.erase_node(node)


def _recompute(node: fx.Node, args: Any, kwargs: Any) -> Any:
    """The node's fake value, computed again from those of its operands.

    Where PyTorch cannot compute it, as for a crop by a symbolic size, the value that it had.
    Raises what the op raises where the op gives a view.
    """
    try:
        return node.target(*args, **kwargs)  # type: ignore[operator]
    except RuntimeError:
        if not isinstance(node.target, OpOverload) or _returns_alias(node.target):
            raise
        return _freeze_metadata(node.meta.get("val"))


def _shares_by_mistake(node: fx.Node, values: Mapping[fx.Node, Any]) -> bool:
    """Whether a fake value shares memory with an operand where the real value has its own.

    So it is where the op's CPU kernel, as its schema says, gives no view. Ops without such a kernel
    are made of others, and keep to their schema less strictly: dropout gives its operand.
    """
    if not isinstance(node.target, OpOverload) or _returns_alias(node.target):
        return False
    key = storage_key(values[node])
    if key is None or not _has_kernel(node.target.name(), "CPU"):  # type: ignore[no-untyped-call]
        return False
    return any(storage_key(values[operand]) == key for operand in node.all_input_nodes)


def _returns_alias(op: OpOverload) -> bool:
    """Whether an op's schema says that a result shares memory with an operand."""
    return any(result.alias_info is not None for result in op._schema.returns)


def _freeze_metadata(value: Any) -> Any:
    """A value of the same storage that later in-place changes of shape do not reach."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, (list, tuple)):
        return type(value)(map(_freeze_metadata, value))
    return value
