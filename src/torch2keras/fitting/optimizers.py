"""`optimizer`: a PyTorch optimizer as one of Keras for the converted model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import torch

from torch2keras.converted import Converted
from torch2keras.errors import InputError
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import raise_typed_errors
from torch2keras.training.optimizer_state import copy_state, count_steps
from torch2keras.training.optimizer_table import Formula, find_formula, make_stock
from torch2keras.training.parameter_groups import Mapped, map_groups
from torch2keras.training.schedules import make_schedule


@run_alone
@raise_typed_errors
def optimizer(
    torch_optimizer: torch.optim.Optimizer,
    converted: Converted,
    *,
    scheduler: Any = None,
    steps_per_epoch: int | None = None,
    epochs: int | None = None,
) -> keras.Optimizer:
    """Return a Keras optimizer that moves a converted model as PyTorch's would move the module.

    It goes into `converted.model.compile`. Keras's own SGD where that computes the same, otherwise
    an optimizer of this package by PyTorch's formula (docs/training.md has the table), with the
    options of each group for the Keras variables of its parameters, and with what the optimizer
    has gathered in the steps that it made. A variable that is the sum of two parameters, an LSTM's
    bias, moves as often as far; a parameter that the optimizer was not given does not move.

    `scheduler` is one of `torch.optim.lr_scheduler`; its `step()` is called every `steps_per_epoch`
    batches, `epochs` times. Raises InputError for what has no equal in Keras.
    """
    formula = find_formula(torch_optimizer)
    conversion = converted.conversion
    mapped = map_groups(torch_optimizer, formula, conversion, converted.layers)
    steps = count_steps(torch_optimizer, conversion)
    rate: Any = float(torch_optimizer.param_groups[0]["lr"])
    if scheduler is not None:
        if scheduler.optimizer is not torch_optimizer:
            raise InputError(
                "the scheduler is another optimizer's",
                [("next", "give the scheduler that was made for this optimizer")],
            )
        rate = make_schedule(scheduler, steps_per_epoch=steps_per_epoch, epochs=epochs, start=steps)
    else:
        _require_no_scheduler(torch_optimizer)
    if not steps and _moves_alike(mapped) and not _is_wide(mapped):
        stock = make_stock(formula, rate, mapped[0].setting.options)
        if stock is not None:
            return stock
    return _make_own(torch_optimizer, formula, converted, mapped, rate, steps)


def _make_own(
    torch_optimizer: torch.optim.Optimizer,
    formula: Formula,
    converted: Converted,
    mapped: Sequence[Mapped],
    rate: Any,
    steps: int,
) -> keras.Optimizer:
    """Return an optimizer of ours, built where it has a state to go on with."""
    first = formula.read_options(torch_optimizer.param_groups[0])
    made = formula.ours(rate, first)
    made.bind((item.variable, item.setting) for item in mapped)
    if steps:
        made.build(converted.model.trainable_variables)
        made.iterations.assign(steps)
        copy_state(torch_optimizer, made, mapped, converted.conversion)
    return made


def _require_no_scheduler(torch_optimizer: torch.optim.Optimizer) -> None:
    """Raise InputError where a scheduler has put its mark on an optimizer."""
    if any("initial_lr" in group for group in torch_optimizer.param_groups):
        raise InputError(
            "a scheduler changes the learning rate of this optimizer, and was not given",
            [
                ("next", "optimizer(..., scheduler=scheduler, steps_per_epoch=len(loader))"),
                ("or", 'delete "initial_lr" from its param_groups, to keep the rate as it is'),
            ],
        )


def _moves_alike(mapped: Sequence[Mapped]) -> bool:
    """Return whether all variables move by the options and the rate of the first group."""
    for item in mapped:
        own = item.setting
        if own.options != mapped[0].setting.options or abs(own.rate - 1) > 1e-6:
            return False
        if not own.moves or own.copies > 1:
            return False
    return bool(mapped)


def _is_wide(mapped: Sequence[Mapped]) -> bool:
    """Return whether weights are float64: Keras's own optimizers round their options to float32."""
    return any(item.weight.dtype == "float64" for item in mapped)
