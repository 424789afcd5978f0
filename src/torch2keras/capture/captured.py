"""Captured: what torch.export made of a module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from torch2keras.fx_passes.fake_values import static_size


@dataclass(frozen=True)
class Captured:
    """What torch.export made of a module.

    `program` is as exported. `graph_module` has the same placeholders; it is functional, has no mode regions,
    assertions or copies, and `reshape` for `view`. `strict` says which of torch.export's two ways succeeded. `notes`
    are facts for the report, each a sentence.
    """

    program: ExportedProgram
    graph_module: fx.GraphModule
    strict: bool
    notes: tuple[str, ...]

    @property
    def user_values(self) -> list[torch.Tensor]:
        """The fake values of the tensors that the caller gives, in their order, with torch.export's own sizes."""
        return user_values(self.program)

    @property
    def is_dynamic(self) -> bool:
        """Whether a size of the inputs is."""
        return any(static_size(size) is None for value in self.user_values for size in value.shape)

    @property
    def complex_inputs(self) -> tuple[bool, ...]:
        """Which of the tensors that the caller gives are complex."""
        return tuple(value.is_complex() for value in self.user_values)

    @property
    def complex_outputs(self) -> tuple[bool, ...]:
        """Which of the flat outputs are complex tensors."""
        values = output_values(self.graph_module)
        return tuple(isinstance(value, torch.Tensor) and value.is_complex() for value in values)


def user_values(program: ExportedProgram) -> list[torch.Tensor]:
    """The fake values of the tensors that the caller gives, in their order."""
    names = [
        spec.arg.name
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.USER_INPUT
    ]
    values = {
        node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"
    }
    return [values[name] for name in names if isinstance(values.get(name), torch.Tensor)]


def output_values(held: ExportedProgram | fx.GraphModule) -> list[Any]:
    """The fake values of the flat outputs, and the outputs that are no tensors."""
    output = next(node for node in held.graph.nodes if node.op == "output")
    leaves = pytree.tree_leaves(output.args[0])
    return [node.meta.get("val") if isinstance(node, fx.Node) else node for node in leaves]
