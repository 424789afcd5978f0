"""A module as the operations that it runs on one example: every size and every branch frozen.

For what torch.export refuses: `if tensor:`, `int(tensor)`, lengths read off values. Only on request
(`convert(..., capture="trace")`); the report says that it was done.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import fx, nn
from torch._ops import OpOverload
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

MODULE_STACK = "torch2keras_module_stack"
"""Where a node's metadata keeps the modules that made it, through a second export."""


READS_A_NUMBER = ("aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal")


FROZEN = (
    "Captured by tracing: every size, every branch and every number that depends on values "
    "is that of the example; "
    "inputs for which the module itself takes another way give other numbers."
)


class Traced(nn.Module):
    """Runs what `module` has run on the example, with its state and forward's signature.

    Raises what the module raises on the example.
    """

    def __init__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        super().__init__()
        for held in ("_parameters", "_buffers", "_modules"):
            vars(self)[held] = vars(module)[held]
        graph_module, out_spec = _trace(module, args, kwargs)

        @functools.wraps(module.forward)
        def forward(*args: Any, **kwargs: Any) -> Any:
            with fx.traceback.preserve_node_meta():
                tensors = _list_tensors((args, kwargs))
                flat = fx.Interpreter(graph_module).run(*_name_state(self).values(), *tensors)
            return pytree.tree_unflatten(flat, out_spec)

        self.forward = forward


def _name_state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _list_tensors(nest: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(nest) if isinstance(leaf, torch.Tensor)]


def _copy_state(state: Mapping[str, torch.Tensor]) -> Iterator[torch.Tensor]:
    for tensor in state.values():
        yield tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _trace(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[fx.GraphModule, Any]:
    """Return the graph over the state and the tensors of the call, and the nest of its outputs."""
    leaves, spec = pytree.tree_flatten((args, dict(kwargs)))
    state = _name_state(module)
    out_spec = None

    def run(*tensors: torch.Tensor) -> list[Any]:
        nonlocal out_spec
        given = iter(tensors[len(state) :])
        call = [next(given) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        positional, named = pytree.tree_unflatten(call, spec)
        values = dict(zip(state, tensors, strict=False))
        outputs = torch.func.functional_call(module, values, positional, named)
        flat, out_spec = pytree.tree_flatten(outputs)
        return flat

    vars(run)["_orig_mod"] = module  # whose modules make_fx records as the origin of each op
    trace = make_fx(
        run,
        tracing_mode="real",
        pre_dispatch=True,
        record_module_stack=True,
        _error_on_data_dependent_ops=False,
    )
    # Tracing runs the module, which may write to its buffers: it runs on copies of them.
    graph_module = trace(*_copy_state(state), *_list_tensors(leaves))
    _drop_unused_reads(graph_module.graph)
    for node in graph_module.graph.nodes:
        node.meta["custom"] = {MODULE_STACK: node.meta.get("nn_module_stack", {})}
    graph_module.recompile()
    return graph_module, out_spec


def _drop_unused_reads(graph: fx.Graph) -> None:
    """Erase numbers that nothing reads, since a branch is frozen, and what was only for them."""
    for node in reversed(list(graph.nodes)):
        reads = isinstance(node.target, OpOverload) and node.target._schema.name in READS_A_NUMBER
        if reads and not node.users:
            graph.erase_node(node)
    graph.eliminate_dead_code()


def restore_module_stacks(program: torch.export.ExportedProgram) -> None:
    """Give the nodes of an exported `Traced` the modules that made them in the traced module."""
    for node in program.graph.nodes:
        stack = node.meta.get("custom", {}).pop(MODULE_STACK, None)
        if stack:
            node.meta["nn_module_stack"] = stack
