"""The places of a module that are given their values, and the module with all of them.

The module that comes out puts the given values where the user's keeps its own, calls it, and gives
beside its outputs what it then finds there. It remembers nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.capture.ports.draws import DrawPort, feed_draws
from torch2keras.capture.ports.module_ports import StatePort, Tensors, add_parameters, copy_nest
from torch2keras.capture.ports.places import AttributePlace

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


_BUFFER_HOOKS: dict[int, Any] = nn.modules.module._global_buffer_registration_hooks  # noqa: SLF001


class OtherKindError(RuntimeError):
    """What a module keeps is of another kind after this call than it was in the calls before."""


@dataclass(frozen=True, eq=False)
class StateSlot:
    """One place of a module with the values that stand in it during a call."""

    place: AttributePlace
    leaves: tuple[Any, ...]
    spec: Any
    ports: Mapping[int, StatePort] = field(default_factory=dict)
    """The leaf by its position -> the port that it is given by; the others stay as they are."""

    def fill(self, given: Tensors) -> None:
        """Put copies of the given tensors and of the other leaves in place."""
        leaves = list(copy_nest(self.leaves))
        for position, port in self.ports.items():
            leaves[position] = given[port.name].clone()
        self.place.write(pytree.tree_unflatten(leaves, self.spec))

    def collect(self) -> Tensors:
        """Return what now stands in place of the given tensors."""
        leaves, spec = pytree.tree_flatten(self.place.read())
        if spec != self.spec:
            raise OtherKindError(f"{self.place.path} has taken another structure")
        new = {}
        for position, port in self.ports.items():
            value = leaves[position]
            if not isinstance(value, torch.Tensor):
                value = torch.as_tensor(value, dtype=port.example.dtype)
            new[port.name] = value
        return new


@dataclass(frozen=True, eq=False)
class ModulePorts:
    """A module as the caller holds it, and what its forward keeps and draws."""

    module: nn.Module
    slots: tuple[StateSlot, ...] = ()
    draws: tuple[DrawPort, ...] = ()

    @property
    def states(self) -> tuple[StatePort, ...]:
        """The ports of all slots, in the order of the inputs."""
        return tuple(chain.from_iterable(slot.ports.values() for slot in self.slots))

    @property
    def initial_state(self) -> Tensors:
        """The first values, by the names of the inputs."""
        return {port.name: port.initial for port in self.states}

    def keep_needed(self, names: Collection[str]) -> ModulePorts:
        """Return the same with no other states than these."""
        slots = []
        for slot in self.slots:
            ports = dict(slot.ports)
            for position, port in slot.ports.items():
                if port.name not in names:
                    del ports[position]
            slots.append(replace(slot, ports=ports))
        return replace(self, slots=tuple(slots))

    def take_draws(self, draws: tuple[DrawPort, ...]) -> ModulePorts:
        """Return the same with random numbers as inputs."""
        return replace(self, draws=draws)

    @property
    def examples(self) -> Tensors:
        """An example of each further input, in their order: random numbers, then states."""
        found = {port.name: port.drawn.values for port in self.draws}
        for state in self.states:
            found[state.name] = state.example
        return found

    def call(self, given: Tensors, inputs: Inputs) -> tuple[Any, Tensors]:
        """Return what the module gives with these values in place, and what it then keeps.

        The places come back as they were. Raises what the module raises.
        """
        before = [(slot.place, slot.place.read()) for slot in self.slots]
        args, kwargs = inputs
        try:
            for slot in self.slots:
                slot.fill(given)
            # torch.export writes to a buffer what forward assigns to its name. It is put back here.
            with patch.dict(_BUFFER_HOOKS, clear=True), feed_draws(self.draws, given):
                outputs = self.module(*args, **kwargs)
            new: Tensors = {}
            for slot in self.slots:
                if slot.ports:
                    new.update(slot.collect())
        finally:
            for place, value in reversed(before):
                place.write(value)
        return outputs, {port.name: new[port.name] for port in self.states}

    def wrap_module(self) -> nn.Module:
        """Return the module that takes and gives all this; without any the module itself."""
        if not self.slots and not self.draws:
            return self.module

        def run(args: tuple[Any, ...], kwargs: dict[str, Any], given: Tensors) -> Any:
            outputs, new = self.call(given, (args, kwargs))
            return (outputs, new) if self.states else outputs

        return add_parameters(self.module, list(self.examples), run)

    @property
    def growing(self) -> Mapping[str, frozenset[int]]:
        """The dims that differ from call to call, by the names of the inputs."""
        return {port.name: port.growing for port in self.states if port.growing}
