"""What forward draws at random, as further inputs of the module.

That a module which is given its random numbers does what it does with its own is shown by running
both from the same seed, before anything is converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from torch2keras.capture.ports.comparison import are_close, copy_leaves
from torch2keras.capture.ports.draws import Drawn, DrawPort, record_draws
from torch2keras.capture.ports.kept_state import run_in_a_row
from torch2keras.capture.ports.module_ports import Tensors, copy_call, name_ports
from torch2keras.capture.ports.slots import Inputs, ModulePorts
from torch2keras.errors import CaptureError, list_names

SEEDS = (0, 1)


def open_random_ports(
    ports: ModulePorts, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> ModulePorts:
    """Return the ports of a module with one more for each draw of random numbers.

    Raises CaptureError where the module that is given them does not do what it does with its own.
    """
    inputs = (args, kwargs)
    state = {port.name: port.example for port in ports.states}
    found, _ = _record(ports, state, inputs, SEEDS[0])
    if not found:
        return ports
    names = name_ports(_label(len(found)), ports.module, state)
    draws = tuple(DrawPort(name, drawn) for name, drawn in zip(names, found, strict=True))
    with_draws = ports.take_draws(draws)
    for seed in SEEDS:
        drawn, _ = _record(ports, state, inputs, seed)
        if len(drawn) != len(draws) or not _agree(ports, with_draws, drawn, state, inputs, seed):
            raise _refuse(found)
    return with_draws


def _label(count: int) -> list[str]:
    if count == 1:
        return ["noise"]
    return [f"noise_{number}" for number in range(count)]


def _record(
    ports: ModulePorts, state: Tensors, inputs: Inputs, seed: int
) -> tuple[list[Drawn], list[Any]]:
    """Return what is drawn from a seed, and the outputs."""
    with run_in_a_row(ports.module):
        torch.default_generator.manual_seed(seed)
        with record_draws() as found:
            outputs = ports.call(state, copy_call(*inputs))
        return found, copy_leaves(outputs)


def _agree(
    ports: ModulePorts,
    with_draws: ModulePorts,
    drawn: Sequence[Drawn],
    state: Tensors,
    inputs: Inputs,
    seed: int,
) -> bool:
    """Whether the module gives with these numbers what it gives with its own from the seed."""
    with run_in_a_row(ports.module):
        torch.default_generator.manual_seed(seed)
        expected = copy_leaves(ports.call(state, copy_call(*inputs)))
    given = dict(state)
    for port, recorded in zip(with_draws.draws, drawn, strict=True):
        given[port.name] = recorded.values
    with run_in_a_row(ports.module):
        try:
            outputs = copy_leaves(with_draws.call(given, copy_call(*inputs)))
        except RuntimeError:  # it draws other sizes, or another number of times
            return False
    return are_close(outputs, expected)


def _refuse(found: Sequence[Drawn]) -> CaptureError:
    places = dict.fromkeys(f"{drawn.op} at {drawn.source}" for drawn in found)
    return CaptureError(
        "forward does something else where its random numbers are given to it",
        [
            ("draws", list_names(list(places))),
            ("why", "how many it draws, or of which sizes, depends on numbers"),
            ("next", "pass the noise as an input: def forward(self, x, noise)"),
        ],
    )
