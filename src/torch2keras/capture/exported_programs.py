"""An ExportedProgram as its owner holds it: the module in it, its example call, and its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram
from torch.utils import _pytree as pytree

from torch2keras.errors import InputError

ROOT = "L__self__"
"""What PyTorch calls the outermost module on the stack of those that made a node."""


@dataclass(frozen=True)
class ProgramCall:
    """The module of a program, and how it was called when it was exported."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    dynamic_shapes: dict[str, Any] | None
    """The sizes that are dynamic in the program, by parameter; None where all are fixed."""
    name: str
    """The class of the module that was exported; empty where the program does not say."""


def open_program(program: ExportedProgram) -> ProgramCall:
    """Return the module of a program in eval mode, and its example call where the program has one.

    Raises InputError where PyTorch makes no module of it.
    """
    try:
        module: nn.Module = program.module()
    except Exception as error:
        why = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        step = "export the module again, then convert that program"
        rows = [("torch", why), ("next", step)]
        raise InputError("this exported program gives no module", rows) from error
    for part in module.modules():
        part.training = False  # `eval` is refused for programs; their ops have their mode already
    args, kwargs = program.example_inputs or ((), {})
    return ProgramCall(
        module, tuple(args), dict(kwargs), _find_dynamic_shapes(program), _find_class(program)
    )


def _find_dynamic_shapes(program: ExportedProgram) -> dict[str, Any] | None:
    """Return torch.export's `dynamic_shapes` with each size that a program has as a symbol."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    dims = [_dynamic_dims(nodes.get(name)) for name in program.graph_signature.user_inputs]
    signature = program.module_call_graph[0].signature
    if not any(dims) or signature is None or signature.in_spec.num_leaves != len(dims):
        return None
    args, kwargs = pytree.tree_unflatten(dims, signature.in_spec)
    names = signature.forward_arg_names or []
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _dynamic_dims(node: fx.Node | None) -> Mapping[int, Any] | None:
    """Return the dims of an input that are symbols; None where there are none."""
    value = None if node is None else node.meta.get("val")
    if not isinstance(value, torch.Tensor):
        return None
    symbols = [dim for dim, size in enumerate(value.shape) if isinstance(size, torch.SymInt)]
    return dict.fromkeys(symbols, Dim.AUTO) or None


def _find_class(program: ExportedProgram) -> str:
    """Return the name of the class whose forward made the program."""
    for node in program.graph.nodes:
        stack = node.meta.get("nn_module_stack") or {}
        _, kind = stack.get(ROOT, ("", ""))
        if kind:
            name = kind if isinstance(kind, str) else kind.__qualname__
            return str(name).rpartition(".")[2]
    return ""
