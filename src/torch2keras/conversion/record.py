"""The record of one conversion: what each stage of the pipeline made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from torch2keras.capture.captured import Captured
from torch2keras.capture.ports.slots import ModulePorts
from torch2keras.conversion.module_facts import ModuleFacts
from torch2keras.conversion.ports import Port, build_port
from torch2keras.conversion.size_conditions_text import write_conditions
from torch2keras.conversion.weight_map import WeightMap
from torch2keras.graph.ir import Graph
from torch2keras.layout.assign import LayoutPlan
from torch2keras.layout.port_orders import port_names
from torch2keras.lower.lower import Lowered


@dataclass(frozen=True, eq=False)
class Conversion:
    """A module, the inputs that it was converted with, and what each stage made of it."""

    module: nn.Module
    """The caller's module; one that is given what it keeps, where `ports` has some of that."""
    facts: ModuleFacts
    """What a report says of the module, as it was at the conversion."""
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    captured: Captured
    graph: Graph
    plan: LayoutPlan
    lowered: Lowered
    ports: ModulePorts
    given: nn.Module | None = None
    """The caller's own module, where `module` is a copy of it in another type."""

    def own_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters that the caller's optimizers have, by all names of the module's."""
        named = self.module.named_parameters(remove_duplicate=False)
        if self.given is None:
            return dict(named)
        own = [parameter for _, parameter in self.given.named_parameters(remove_duplicate=False)]
        return dict(zip((name for name, _ in named), own, strict=True))

    @cached_property
    def inputs(self) -> tuple[Port, ...]:
        """The ports of the model's inputs."""
        names, _ = port_names(self.graph)
        given = zip(
            self.graph.inputs,
            self.lowered.input_storages,
            names,
            self.captured.complex_inputs,
            strict=True,
        )
        ports = []
        for value, storage, name, is_complex in given:
            ports.append(build_port(self.plan.space, value, storage, name, is_complex=is_complex))
        return tuple(ports)

    @cached_property
    def outputs(self) -> tuple[Port, ...]:
        """The ports of the model's outputs; what forward returns beside tensors has none."""
        _, names = port_names(self.graph)
        remaining_names = iter(names)
        given = zip(
            self.graph.outputs,
            self.lowered.output_storages,
            self.captured.complex_outputs,
            strict=True,
        )
        ports = []
        for value, storage, is_complex in given:
            if storage is not None:
                name = next(remaining_names)
                ports.append(
                    build_port(self.plan.space, value, storage, name, is_complex=is_complex)
                )
        return tuple(ports)

    @cached_property
    def weight_map(self) -> WeightMap:
        """Which Keras variable is made of which tensor, and how."""
        found = self.lowered.graph.weights()
        weights = tuple((call.name, attribute, weight) for call, attribute, weight in found)
        return WeightMap(weights, frozenset(self.captured.program.state_dict))

    @cached_property
    def size_limits(self) -> tuple[str, ...]:
        """What sizes of the inputs have to keep to, as `x.shape[1] <= 512`."""
        return write_conditions(self.graph, self.captured)
