"""A model whose state goes from call to call, against the module called in a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.capture.ports.draws import feed_draws
from torch2keras.capture.ports.module_ports import Tensors, add_parameters
from torch2keras.capture.ports.slots import Inputs, ModulePorts
from torch2keras.conversion.record import Conversion
from torch2keras.verification.input_sets import Given, example_tensors, replace_tensors
from torch2keras.verification.noise_inputs import draw_anew
from torch2keras.verification.probes import probes
from torch2keras.verification.reference import run as run_module

STEPS = 4
"""So many calls in a row are compared."""


@dataclass(frozen=True, eq=False)
class InRow:
    """Inputs of calls in a row, and the module that makes all of these calls in one."""

    module: nn.Module
    calls: tuple[Inputs, ...]
    given: tuple[tuple[torch.Tensor, ...], ...]
    """The tensors of each call."""
    outputs: list[np.ndarray]
    """What the calls give in the module's own type, one call after the other."""


def run_row(conversion: Conversion) -> InRow:
    """Return what the caller's module gives for inputs other at each call, from what it holds.

    They are those of the example at each call where the module refuses others.
    """
    row = _call_repeatedly(conversion.ports)
    example = tuple(example_tensors(conversion)[: -len(conversion.ports.states)])
    varied = []
    for seed in range(STEPS):
        (probe,) = probes(example, seed=seed, names=["normal"])
        varied.append(draw_anew(conversion, probe.tensors, seed))
    try:
        return _run(conversion, row, tuple(varied))
    except Exception:  # noqa: BLE001 - the module may refuse any numbers but the example's
        return _run(conversion, row, (example,) * STEPS)


def _run(
    conversion: Conversion, row: nn.Module, given: tuple[tuple[torch.Tensor, ...], ...]
) -> InRow:
    names = set(conversion.ports.initial_state)
    calls = []
    for tensors in given:
        args, kwargs = replace_tensors(conversion, [*tensors, *_example_state(conversion)])
        own = {name: value for name, value in kwargs.items() if name not in names}
        calls.append((args, own))
    return InRow(row, tuple(calls), given, run_module(row, calls))


def _example_state(conversion: Conversion) -> list[torch.Tensor]:
    return [port.example for port in conversion.ports.states]


def _call_repeatedly(ports: ModulePorts) -> nn.Module:
    """Return the module that takes the arguments of several calls, and gives all outputs."""
    draws = {port.name for port in ports.draws}

    def run(calls: tuple[Any, ...], _: dict[str, Any], __: Tensors) -> list[Any]:
        outputs = []
        for args, kwargs in calls:
            own = {name: value for name, value in kwargs.items() if name not in draws}
            with feed_draws(ports.draws, kwargs):
                given = ports.module(*args, **own)
            # What it gives may be what it keeps, and be written to by the next call.
            outputs.append(pytree.tree_map_only(torch.Tensor, torch.clone, given))
        return outputs

    return add_parameters(ports.module, (), run)


def split_calls(row: InRow) -> Iterator[tuple[tuple[torch.Tensor, ...], list[np.ndarray]]]:
    """Yield the tensors of each call, and what the module gives for it."""
    count = len(row.outputs) // STEPS
    for step, tensors in enumerate(row.given):
        yield tensors, row.outputs[step * count : (step + 1) * count]


def name_call(
    step: int, tensors: Sequence[torch.Tensor], state: Sequence[Any], outputs: list[np.ndarray]
) -> Given:
    """Return a call of the model with its state as a set of inputs, and the module's outputs."""
    held = tuple(map(torch.as_tensor, state))
    return Given(f"call {step + 1} in a row", (*tensors, *held), outputs)
