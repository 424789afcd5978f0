"""A module as the operations that it runs on one example: every size and every branch frozen.

For what torch.export refuses: `if tensor:`, `int(tensor)`, lengths read off values. Only on request
(`convert(..., capture="trace")`); the report says that it was done.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn
from torch._ops import OpOverload
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

MODULE_STACK = "torch2keras_module_stack"


READS_A_NUMBER = ("aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal")


FROZEN = (
    "Captured by tracing: every size, every branch and every number that depends on values is that of the example; "
    "inputs for which the module itself takes another way give other numbers."
)


class Traced(nn.Module):
    """Runs what `module` has run on the example; its parameters and buffers, and forward's signature, are the module's.

    Raises what the module raises on the example.
    """

    def __init__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        super().__init__()
        vars(self).update(
            {held: vars(module)[held] for held in ("_parameters", "_buffers", "_modules")}
        )
        graph_module, out_spec = _traced(module, args, kwargs)

        @functools.wraps(module.forward)
        def forward(*args: Any, **kwargs: Any) -> Any:
            tensors = [
                leaf
                for leaf in pytree.tree_leaves((args, kwargs))
                if isinstance(leaf, torch.Tensor)
            ]
            with fx.traceback.preserve_node_meta():
                flat = fx.Interpreter(graph_module).run(*_state(self).values(), *tensors)
            return pytree.tree_unflatten(flat, out_spec)

        self.forward = forward


def _state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _traced(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[fx.GraphModule, Any]:
    """The graph over the module's state and the tensors of the call, and the structure of its outputs."""
    leaves, spec = pytree.tree_flatten((args, dict(kwargs)))
    state = _state(module)
    out_spec = None

    def run(*tensors: torch.Tensor) -> list[Any]:
        nonlocal out_spec
        given = iter(tensors[len(state) :])
        call = [next(given) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        positional, named = pytree.tree_unflatten(call, spec)
        values = dict(zip(state, tensors, strict=False))
        flat, out_spec = pytree.tree_flatten(
            torch.func.functional_call(module, values, positional, named)
        )
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
    copies = [
        tensor.detach().clone().requires_grad_(tensor.requires_grad) for tensor in state.values()
    ]
    graph_module = trace(*copies, *(leaf for leaf in leaves if isinstance(leaf, torch.Tensor)))
    for node in reversed(list(graph_module.graph.nodes)):
        if (
            isinstance(node.target, OpOverload)
            and node.target._schema.name in READS_A_NUMBER
            and not node.users
        ):
            graph_module.graph.erase_node(node)
    graph_module.graph.eliminate_dead_code()
    for node in graph_module.graph.nodes:
        node.meta["custom"] = {MODULE_STACK: node.meta.get("nn_module_stack", {})}
    graph_module.recompile()
    return graph_module, out_spec


def with_module_stacks(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Give the nodes of an exported `Traced` the modules that made them in the module that was traced."""
    for node in program.graph.nodes:
        stack = node.meta.get("custom", {}).pop(MODULE_STACK, None)
        if stack:
            node.meta["nn_module_stack"] = stack
    return program
