"""Conversion: the record of one conversion, with what each stage made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from torch2keras.capture.captured import Captured
from torch2keras.conversion.ports import Port, build_port
from torch2keras.graph.ir import Graph
from torch2keras.layout.assign import LayoutPlan
from torch2keras.layout.port_orders import port_names
from torch2keras.lower.lower import Lowered


@dataclass(frozen=True, eq=False)
class Conversion:
    """What each stage of the pipeline made."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    captured: Captured
    graph: Graph
    plan: LayoutPlan
    lowered: Lowered

    @cached_property
    def inputs(self) -> tuple[Port, ...]:
        """The ports of the model's inputs."""
        names, _ = port_names(self.graph)
        given = zip(
            self.graph.inputs,
            self.lowered.input_forms,
            names,
            self.captured.complex_inputs,
            strict=True,
        )
        return tuple(build_port(self.plan.space, v, f, n, is_complex=z) for v, f, n, z in given)

    @cached_property
    def outputs(self) -> tuple[Port, ...]:
        """The ports of the model's outputs."""
        _, names = port_names(self.graph)
        given = zip(
            self.graph.outputs,
            self.lowered.output_forms,
            self.captured.complex_outputs,
            strict=True,
        )
        held = [(v, f, z) for v, f, z in given if f is not None]
        return tuple(
            build_port(self.plan.space, v, f, n, is_complex=z)
            for (v, f, z), n in zip(held, names, strict=True)
        )
