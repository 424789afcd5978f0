"""What a PyTorch optimizer has gathered, as the state of the Keras one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from torch2keras.conversion.record import Conversion
from torch2keras.errors import InputError, list_names
from torch2keras.training.parameter_groups import Mapped
from torch2keras.training.torch_optimizer import TorchOptimizer
from torch2keras.training.weight_gradients import map_state


def count_steps(torch_optimizer: torch.optim.Optimizer, conversion: Conversion) -> int:
    """Return how many steps an optimizer has made; 1 for one that has and does not count them.

    Raises InputError where parameters have made different numbers of steps.
    """
    counts: dict[int, list[str]] = {}
    for name, parameter in conversion.own_parameters().items():
        state = torch_optimizer.state.get(parameter)
        if state:
            has_buffer = state.get("momentum_buffer") is not None
            counts.setdefault(int(state.get("step", has_buffer)), []).append(name)
    if len(counts) > 1:
        told = [f"{steps} of {list_names(names, 2)}" for steps, names in sorted(counts.items())]
        raise InputError(
            "the parameters of this optimizer have made different numbers of steps",
            [
                ("steps", "; ".join(told)),
                ("next", "make the optimizer anew, or train all parameters from the first step on"),
            ],
        )
    return next(iter(counts), 0)


def copy_state(
    torch_optimizer: torch.optim.Optimizer,
    optimizer: TorchOptimizer,
    mapped: Sequence[Mapped],
    conversion: Conversion,
) -> None:
    """Write what a PyTorch optimizer has gathered into ours, which is built."""
    parameters = conversion.own_parameters()
    for item in mapped:
        if not item.setting.moves:
            continue
        for name, variable in optimizer.state_of(item.variable).items():
            kept = {}
            for path in item.paths:
                value = torch_optimizer.state.get(parameters[path], {}).get(name)
                if value is not None:
                    kept[path] = value
            if len(kept) < len(item.paths):  # PyTorch makes it at the first step
                continue
            if name in optimizer.scalar_names(item.setting.options):
                variable.assign(float(next(iter(kept.values()))))
            else:
                variable.assign(map_state(item.weight, kept, item.setting.copies))
