"""Captured: what torch.export made of a module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from torch2keras.capture.attempts import Attempt
from torch2keras.capture.training.training_survey import TrainingFacts
from torch2keras.fx_passes.fake_values import size_as_number


@dataclass(frozen=True)
class Captured:
    """What torch.export made of a module.

    `program` is as exported. `graph_module` has the same placeholders; it is functional, has no
    mode regions, assertions or copies, and `reshape` for `view`. `strict` says which of
    torch.export's two ways succeeded. `notes` are facts for the report, each a sentence. `traced`
    says that every branch is frozen to the example's.
    """

    program: ExportedProgram
    graph_module: fx.GraphModule
    strict: bool
    notes: tuple[str, ...]
    training: TrainingFacts = field(default_factory=TrainingFacts)
    """What training does with the module otherwise than its graph shows."""
    attempt: Attempt | None = None
    """What gave the program; None where it is a trace."""
    traced: bool = False
    size_conditions: tuple[Any, ...] = ()
    """What the sizes of the inputs have to keep to: conditions, in sympy, on their symbols."""

    @property
    def user_values(self) -> list[torch.Tensor]:
        """The fake values of the tensors that the caller gives, in their order."""
        return user_values(self.program)

    @property
    def is_dynamic(self) -> bool:
        """Whether a size of the inputs is dynamic."""
        for value in self.user_values:
            if any(size_as_number(size) is None for size in value.shape):
                return True
        return False

    @property
    def complex_inputs(self) -> tuple[bool, ...]:
        """Which of the tensors that the caller gives are complex."""
        return tuple(map(torch.is_complex, self.user_values))

    @property
    def complex_outputs(self) -> tuple[bool, ...]:
        """Which of the flat outputs are complex tensors."""
        return tuple(map(_is_complex_tensor, output_values(self.graph_module)))


def _is_complex_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_complex()


def user_values(program: ExportedProgram) -> list[torch.Tensor]:
    """Return the fake values of the tensors that the caller gives, in their order."""
    fake = {node.name: node.meta.get("val") for node in program.graph.find_nodes(op="placeholder")}
    found = []
    for spec in program.graph_signature.input_specs:
        value = fake.get(spec.arg.name)
        if spec.kind is InputKind.USER_INPUT and isinstance(value, torch.Tensor):
            found.append(value)
    return found


def output_values(held: ExportedProgram | fx.GraphModule) -> list[Any]:
    """Return the fake values of the flat outputs; outputs that are no tensors as they are."""
    output = held.graph.output_node()
    leaves = pytree.tree_leaves(output.args[0])
    return [node.meta.get("val") if isinstance(node, fx.Node) else node for node in leaves]
