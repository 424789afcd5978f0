"""PyTorch's schedules of the learning rate as Keras's, or as a table of what they give."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import torch
from keras import ops
from keras.optimizers import schedules
from torch.optim import lr_scheduler

from torch2keras.errors import InputError
from torch2keras.training.torch_optimizer import PACKAGE

LONGEST_TRIAL = 200
"""How many values of a schedule of Keras's own are compared with the scheduler's."""


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchSchedule(schedules.LearningRateSchedule):  # type: ignore[misc]
    """A table of learning rates, each for so many steps; the last one holds on.

    `start` is the number of the step that the first one begins with.
    """

    def __init__(self, values: Sequence[float], steps_per_value: int = 1, start: int = 0) -> None:
        self.values = tuple(float(value) for value in values)
        self.steps_per_value = steps_per_value
        self.start = start

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step, which counts from 0."""
        own = ops.maximum(ops.cast(step, "int32") - self.start, 0)
        place = ops.minimum(own // self.steps_per_value, len(self.values) - 1)
        table = ops.convert_to_tensor(np.array(self.values), dtype=keras.config.floatx())
        return ops.take(table, place, axis=0)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        return {
            "values": list(self.values),
            "steps_per_value": self.steps_per_value,
            "start": self.start,
        }


class Replay:
    """A scheduler run on without its optimizer, from where it stands."""

    def __init__(self, scheduler: Any) -> None:
        self.name = type(scheduler).__name__
        self.scheduler = scheduler
        self.groups = scheduler.optimizer.param_groups

    def record(self, count: int) -> list[list[float]]:
        """Return the rates of each group at `count` values: now, and after each `step()`.

        Raises InputError where it changes anything but rates.
        """
        groups = []
        for group in self.groups:
            plain = {key: value for key, value in group.items() if key != "params"}
            groups.append({**plain, "params": [torch.zeros(1)]})
        stand_in = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        stand_in.param_groups = groups
        first = [_without_rate(group) for group in groups]
        twin = copy.deepcopy(self.scheduler, {id(self.scheduler.optimizer): stand_in})
        rates = [[float(group["lr"])] for group in groups]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the stand-in made no steps
            for _ in range(count - 1):
                twin.step()
                for own, group in zip(rates, groups, strict=True):
                    own.append(float(group["lr"]))
        if [_without_rate(group) for group in groups] != first:
            raise InputError(
                f"{self.name} changes the momentum too, and schedules in Keras give a rate only",
                [("next", "make it with cycle_momentum=False")],
            )
        return rates


def _without_rate(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key not in ("params", "lr")}


def make_schedule(
    scheduler: Any, *, steps_per_epoch: int | None, epochs: int | None, start: int = 0
) -> Any:
    """Return the schedule of the first group's rate as PyTorch's scheduler goes on from now.

    `steps_per_epoch` is the number of the optimizer's steps between two calls of
    `scheduler.step()`, `epochs` how many values are to be known. Stock where Keras has the same
    schedule; `start` is the step that is the first.
    Raises InputError where Keras has none, or where `epochs` has to be said.
    """
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        raise InputError(
            "ReduceLROnPlateau looks at a metric, which no schedule in Keras does",
            [("next", _advise_plateau(scheduler))],
        )
    if steps_per_epoch is None:
        raise InputError(
            "steps_per_epoch is missing: how many batches there are between two scheduler.step()",
            [("next", "give steps_per_epoch=len(loader), or 1 for a scheduler of batches")],
        )
    replay = Replay(scheduler)
    stock = None if start else find_stock(scheduler, steps_per_epoch)
    if stock is not None:
        trial = _trial_length(scheduler)
        if _gives(stock, _record_first(replay, trial), steps_per_epoch):
            return stock
    if epochs is None:
        raise InputError(
            f"Keras has no schedule like this {replay.name}: its values go into a table",
            [("next", "give epochs=..., how many times scheduler.step() is called")],
        )
    return TorchSchedule(_record_first(replay, epochs + 1), steps_per_epoch, start)


def _advise_plateau(scheduler: lr_scheduler.ReduceLROnPlateau) -> str:
    return (
        "leave scheduler out, and give fit the callback keras.callbacks.ReduceLROnPlateau("
        f"factor={scheduler.factor}, patience={scheduler.patience}, mode={scheduler.mode!r}, "
        f"cooldown={scheduler.cooldown})"
    )


def _trial_length(scheduler: Any) -> int:
    named = [getattr(scheduler, name, 0) for name in ("step_size", "T_max", "total_iters")]
    lengths = [length for length in named if isinstance(length, int)]
    return min(max(3, 2 + max(lengths, default=0)), LONGEST_TRIAL)


def _record_first(replay: Replay, count: int) -> list[float]:
    """Return the first group's rates. Raises InputError where the others are not in proportion."""
    first, *others = replay.record(count)
    for number, rates in enumerate(others, start=1):
        ratio = rates[0] / first[0] if first[0] else 1.0
        if not np.allclose(rates, np.array(first) * ratio, rtol=1e-9, atol=0):
            raise InputError(
                f"{replay.name} does not change the rates of groups 0 and {number} in proportion",
                [("next", "give all groups one rate, or a scheduler that multiplies rates")],
            )
    return first


def _gives(schedule: Any, rates: Sequence[float], steps: int) -> bool:
    """Return whether a schedule has these rates, each for so many steps."""
    for number, rate in enumerate(rates):
        for step in {number * steps, number * steps + steps - 1}:
            ours = float(keras.ops.convert_to_numpy(schedule(step)))
            if abs(ours - rate) > 1e-5 * abs(rate) + 1e-9 * abs(rates[0]):
                return False
    return True


def find_stock(scheduler: Any, steps: int) -> Any:
    """Return Keras's own schedule of the same kind; None where it has none."""
    maker = _STOCK.get(type(scheduler))
    if maker is None or scheduler.last_epoch != 0:
        return None
    rate = float(scheduler.optimizer.param_groups[0]["lr"])
    return maker(scheduler, rate, steps)


def _exponential(scheduler: Any, rate: float, steps: int) -> Any:
    return schedules.ExponentialDecay(rate, steps, scheduler.gamma, staircase=True)


def _step(scheduler: Any, rate: float, steps: int) -> Any:
    length = steps * scheduler.step_size
    return schedules.ExponentialDecay(rate, length, scheduler.gamma, staircase=True)


def _multi_step(scheduler: Any, rate: float, steps: int) -> Any:
    milestones = sorted(scheduler.milestones.elements())
    values = [rate * scheduler.gamma**number for number in range(len(milestones) + 1)]
    return _piecewise(milestones, values, steps)


def _constant(scheduler: Any, rate: float, steps: int) -> Any:
    return _piecewise([scheduler.total_iters], [rate, rate / scheduler.factor], steps)


def _piecewise(milestones: Sequence[int], values: Sequence[float], steps: int) -> Any:
    """Return a schedule that goes on to the next value at each milestone."""
    boundaries = [milestone * steps - 1 for milestone in milestones]
    return schedules.PiecewiseConstantDecay(boundaries, list(values))


def _polynomial(scheduler: Any, rate: float, steps: int) -> Any:
    if steps != 1:
        return None
    return schedules.PolynomialDecay(rate, scheduler.total_iters, 0.0, power=scheduler.power)


_STOCK: Mapping[type[Any], Callable[[Any, float, int], Any]] = {
    lr_scheduler.ExponentialLR: _exponential,
    lr_scheduler.StepLR: _step,
    lr_scheduler.MultiStepLR: _multi_step,
    lr_scheduler.ConstantLR: _constant,
    lr_scheduler.PolynomialLR: _polynomial,
}
"""Schedulers that Keras has for ever: a cosine rises again in PyTorch, and stays low in Keras."""
