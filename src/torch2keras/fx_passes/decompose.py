"""Replace ops that have no lowering by PyTorch's own decomposition of them, node by node.

`ExportedProgram.run_decompositions` would also rewrite dropout and batch_norm, which must stay
whole, and lists every operator anew at each call.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, cast

import torch
from torch import fx
from torch._decomp import global_decomposition_table
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from torch2keras.custom_ops.attribute_exchange import exchange_attribute
from torch2keras.fx_passes.decompositions import OWN, OWN_BY_NAME
from torch2keras.fx_passes.drop_copies import drop_copies
from torch2keras.fx_passes.fake_values import (
    copy_node,
    fake_mode_of,
    fix_known_sizes,
    leaves,
    origin_meta,
    value_of,
)
from torch2keras.fx_passes.functionalize import functionalize
from torch2keras.op_facts import draws_random_numbers
from torch2keras.workarounds.triton_import import load_exporter

aten = torch.ops.aten


HasLowering = Callable[[OpOverload], bool]
"""Whether the converter has a rule for an op."""


# Ops that mean more than the arithmetic of one call in eval mode: what they do in training, or
# their loop over time, would be lost in a decomposition. A cell is one step, and nothing but
# arithmetic.
WHOLE = frozenset(
    {
        "aten::dropout", "aten::feature_dropout", "aten::alpha_dropout", "aten::native_dropout",
        "aten::feature_alpha_dropout", "aten::batch_norm", "aten::rrelu", "aten::rrelu_with_noise",
        "aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu",
    }
)  # fmt: skip


# Reference ops that are one aten op by another name. A decomposition into any other reference op
# says nothing that the aten op did not say better.
PRIMS: dict[OpOverload, OpOverload] = {
    torch.ops.prims.convert_element_type.default: aten.to.dtype,
    torch.ops.prims.sum.default: aten.sum.dim_IntList,
    torch.ops.prims.amax.default: aten.amax.default,
    torch.ops.prims.amin.default: aten.amin.default,
}


def decompose(graph_module: fx.GraphModule, has_lowering: HasLowering) -> fx.GraphModule:
    """A new graph in which ops without lowering are replaced by ops that have one.

    Ops that PyTorch cannot decompose, or only by fixing a symbolic size, stay as they are.
    """
    return decompose_where(
        graph_module, lambda node: _has_tensors(node) and not has_lowering(target_of(node))
    )


def decompose_where(
    graph_module: fx.GraphModule, is_wanted: Callable[[fx.Node], bool]
) -> fx.GraphModule:
    """A new graph in which the calls of ATen ops for which `is_wanted` holds are decomposed.

    Ops that PyTorch cannot decompose stay as they are.
    """
    load_exporter()
    return _decompose_nodes(drop_copies(graph_module), is_wanted, frozenset())


@cache
def build_decomposition_table() -> dict[OpOverload, Callable[..., Any]]:
    """PyTorch's decompositions into core ops, else those into its reference ops.

    The table is built once in a process.
    """
    reference = global_decomposition_table["post_autograd"]
    core = torch.export.default_decompositions()
    merged = {**reference, **{op: core[op] for op in core}}
    return {op: function for op, function in merged.items() if isinstance(op, OpOverload)}


def find_decomposition(op: OpOverload) -> Callable[..., Any] | None:
    """The function that computes `op` by other ops; None where there is none, and for `WHOLE`."""
    name = op._schema.name
    own = OWN.get(op) or OWN_BY_NAME.get(name)
    if own is not None:
        return own
    if name in WHOLE or draws_random_numbers(op):
        return None
    if op._can_decompose():  # noqa: SLF001 - the public `decompose` tells it only when it is run
        return partial(_run_composite, op)
    return build_decomposition_table().get(op)


def _run_composite(op: OpOverload, *args: Any, **kwargs: Any) -> Any:
    """One step of an op that PyTorch itself computes by other ops."""
    # While make_fx listens to Python functions, the kernel of one dispatch key would be heard as
    # the op itself.
    with torch._C.DisableTorchFunction():
        return op.decompose(*args, **kwargs)


def target_of(node: fx.Node) -> OpOverload:
    """The op that a node calls."""
    return cast("OpOverload", node.target)


def calls_op(node: fx.Node) -> bool:
    """Whether a node calls an ATen op, and is no placeholder, control flow or sum of sizes."""
    return node.op == "call_function" and isinstance(node.target, OpOverload)


def _has_tensors(node: fx.Node) -> bool:
    return any(isinstance(value, torch.Tensor) for value in leaves(node.meta.get("val")))


def _decompose_nodes(
    graph_module: fx.GraphModule, is_wanted: Callable[[fx.Node], bool], within: frozenset[Any]
) -> fx.GraphModule:
    """A new graph in which every wanted op is decomposed as far as it goes.

    `within` are the ops of whose decomposition this graph is a part: they are not decomposed again.
    """
    graph = fx.Graph()
    mode = fake_mode_of(graph_module.graph)
    constants: dict[str, torch.Tensor] = {}
    env: dict[fx.Node, Any] = {}
    for node in graph_module.graph.nodes:
        if node.op == "output":
            graph.output(fx.node.map_arg(node.args[0], env.__getitem__)).meta = dict(node.meta)
            continue
        if node.target is operator.getitem and isinstance(env.get(node.args[0]), (tuple, list)):
            env[node] = env[node.args[0]][node.args[1]]
            continue
        piece = None
        if calls_op(node) and node.target not in within and is_wanted(node):
            piece = _trace_decomposition(node, mode)
        if piece is None:
            env[node] = copy_node(graph, node, env.__getitem__)
            continue
        piece = _decompose_nodes(piece, is_wanted, within | {node.target})
        operands = [env[operand] for operand in node.all_input_nodes]
        env[node] = splice(graph, mode, piece, node, operands, constants)
    return drop_copies(with_constants(graph_module, graph, constants))


def with_constants(
    owner: fx.GraphModule, graph: fx.Graph, constants: Mapping[str, torch.Tensor]
) -> fx.GraphModule:
    """A module of `graph` that holds what `owner` holds, and `constants`."""
    root = fx.GraphModule(owner, owner.graph)
    for name, constant in constants.items():
        root.register_buffer(name, constant)
    return fx.GraphModule(root, graph)


def _trace_decomposition(node: fx.Node, mode: FakeTensorMode) -> fx.GraphModule | None:
    """The decomposition of a node as a functional graph over its operands.

    None where there is none, where PyTorch cannot trace it, and where it is of no use.
    """
    function = find_decomposition(target_of(node))
    if function is None:
        return None
    operands = node.all_input_nodes

    def run(*values: Any) -> Any:
        given = dict(zip(operands, values, strict=True))
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), given.__getitem__)
        result = function(*args, **kwargs)
        return tuple(result) if isinstance(result, (tuple, list)) else result

    try:
        piece = trace(run, list(map(value_of, operands)), mode)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return None
    for inner in piece.graph.nodes:
        if not inner.kwargs:
            inner.target = PRIMS.get(inner.target, inner.target)
    if any(_is_useless(inner, node) for inner in piece.graph.nodes):
        return None
    return drop_copies(functionalize(piece)[0])


def trace(
    function: Callable[..., Any], values: Sequence[Any], mode: FakeTensorMode
) -> fx.GraphModule:
    """The graph of a function of fake values, as torch.export would leave it.

    Raises RuntimeError where the function would fix a symbolic size, and what the function raises.
    """
    given = [fix_known_sizes(mode, value) for value in values]
    with mode, torch.no_grad(), _keep_sizes_open(mode):
        return make_fx(function, pre_dispatch=True)(*given)


@contextmanager
def _keep_sizes_open(mode: FakeTensorMode) -> Iterator[None]:
    """Let what would fix a symbolic size raise RuntimeError, within.

    PyTorch's cache of fake results is not used: it compares sizes of memory, which are as symbolic.
    """
    if mode.shape_env is None:
        yield
        return
    with (
        mode.shape_env.error_on_new_guards(),
        exchange_attribute(mode, "cache_enabled", value=False),
    ):
        yield


def _is_useless(inner: fx.Node, node: fx.Node) -> bool:
    """Whether a decomposition of `node` with `inner` in it is of no use.

    `inner` is then the op itself, a reference op, or an op that reads strides.
    """
    if not isinstance(inner.target, OpOverload):
        return False
    if inner.target.namespace == "prims":
        return True
    return inner.target is node.target or inner.target is aten.as_strided.default


def splice(
    graph: fx.Graph,
    mode: FakeTensorMode,
    piece: fx.GraphModule,
    node: fx.Node,
    operands: Iterable[Any],
    constants: dict[str, torch.Tensor],
) -> Any:
    """Append the graph `piece` over `operands` in place of `node`.

    Returns what stands for the node's value. The tensors that `piece` holds are added to
    `constants` under a name of their own.
    """
    given = iter(operands)
    env: dict[fx.Node, Any] = {}
    for inner in piece.graph.nodes:
        if inner.op == "placeholder":
            env[inner] = next(given)
        elif inner.op == "output":
            return fx.node.map_arg(inner.args[0], env.__getitem__)
        elif inner.op == "get_attr":
            name = f"{node.name}{inner.target}"
            constants[name] = getattr(piece, str(inner.target))
            env[inner] = graph.get_attr(name)
            env[inner].meta = {**origin_meta(node), "val": mode.from_tensor(constants[name])}
        else:
            env[inner] = copy_node(graph, inner, env.__getitem__)
            env[inner].meta = {**origin_meta(node), "val": inner.meta.get("val")}
    raise AssertionError("a graph ends with an output node")
