"""`dynamic_shapes` of a module with ports, and which of its states its outputs depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import fx
from torch.export import Dim
from torch.export.graph_signature import InputKind

from torch2keras.capture.captured import Captured
from torch2keras.capture.example_inputs import ExampleCall
from torch2keras.capture.ports.slots import ModulePorts
from torch2keras.capture.sizes.batch_dims import find_batch_dims
from torch2keras.capture.sizes.dynamic_shapes import leave_to_export
from torch2keras.capture.sizes.keyed_shapes import key_by_parameter
from torch2keras.errors import CaptureError, list_names
from torch2keras.fx_passes.fake_values import size_as_number


def add_port_shapes(
    dynamic_shapes: Any, call: ExampleCall, ported: ExampleCall, ports: ModulePorts
) -> Any:
    """Return `dynamic_shapes` of a call of the caller's module for `ported`, that with its states.

    Their batch, and dims that grow from call to call, are left to torch.export. It is None where
    nothing is asked for and nothing grows. States may be named in a mapping. Raises InputError for
    what does not fit.
    """
    if dynamic_shapes is None and not ports.growing:
        return None
    tensors = ported.example.tensors()
    shapes = leave_to_export(ported.bound, tensors, find_batch_dims(ported))
    named: dict[str, Any] = {}
    if dynamic_shapes is not None:
        named, rest = _split_names(dynamic_shapes, ports)
        shapes |= key_by_parameter(rest, call)
    for name, dims in ports.growing.items():
        shapes[name] = {**(shapes[name] or {}), **dict.fromkeys(dims, Dim.AUTO)}
    return shapes | named


def _split_names(dynamic_shapes: Any, ports: ModulePorts) -> tuple[dict[str, Any], Any]:
    """Return the entries of states in a mapping, and what is left of it."""
    if not isinstance(dynamic_shapes, Mapping):
        return {}, dynamic_shapes
    named, rest = {}, dict(dynamic_shapes)
    for name in set(ports.initial_state) & set(rest):
        named[name] = rest.pop(name)
    return named, rest


def find_needed_states(captured: Captured, ports: ModulePorts) -> list[str]:
    """Return the names of the states that an output depends on, now or by way of another call."""
    if not ports.states:
        return []
    names = list(ports.initial_state)
    outputs = list(captured.graph_module.graph.output_node().args[0])  # type: ignore[arg-type]
    own = len(outputs) - len(names)
    next_values = dict(zip(names, outputs[own:], strict=True))
    states = dict(zip(_list_user_inputs(captured)[-len(names) :], names, strict=True))
    needed: list[str] = []
    pending = [output for output in outputs[:own] if isinstance(output, fx.Node)]
    seen: set[fx.Node] = set()
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        pending += node.all_input_nodes
        if node.op == "placeholder" and node.name in states:
            needed.append(states[node.name])
            following = next_values[states[node.name]]
            pending += [following] if isinstance(following, fx.Node) else []
    return [name for name in names if name in needed]


def _list_user_inputs(captured: Captured) -> list[str]:
    """Return the names of the placeholders that stand for the caller's arguments."""
    specs = captured.program.graph_signature.input_specs
    nodes = captured.graph_module.graph.find_nodes(op="placeholder")
    pairs = zip(specs, nodes, strict=True)
    return [node.name for spec, node in pairs if spec.kind is InputKind.USER_INPUT]


def require_growth(captured: Captured, ports: ModulePorts) -> None:
    """Raise CaptureError where torch.export has fixed a size that changes from call to call."""
    fixed = list(_find_fixed(captured, ports))
    if fixed:
        raise CaptureError(
            f"what forward keeps grows with each call, and its size is fixed: {list_names(fixed)}",
            [
                ("why", "forward uses the size as a number, or cuts what is too long"),
                ("next", "keep a tensor of one size, as zeros that are written to from the end"),
            ],
        )


def _find_fixed(captured: Captured, ports: ModulePorts) -> Iterator[str]:
    values = captured.user_values[len(captured.user_values) - len(ports.states) :]
    for port, value in zip(ports.states, values, strict=True):
        if any(_is_fixed(value, dim) for dim in port.growing):
            yield port.attribute


def _is_fixed(value: torch.Tensor, dim: int) -> bool:
    return size_as_number(value.shape[dim]) is not None
