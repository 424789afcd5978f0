"""Schedules of the learning rate: each step's rate is PyTorch's."""

from __future__ import annotations

import warnings

import keras
import pytest
import torch
from torch.optim import lr_scheduler as lrs

from torch2keras.errors import InputError
from torch2keras.training.schedules import TorchSchedule, make_schedule

STEPS, EPOCHS = 3, 12


def sgd(**options):
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.02}]
    return torch.optim.SGD(groups, lr=0.1, **options)


STOCK = {
    "exponential": lambda o: lrs.ExponentialLR(o, 0.8),
    "step": lambda o: lrs.StepLR(o, 4, 0.1),
    "milestones": lambda o: lrs.MultiStepLR(o, [2, 7, 7], 0.5),
    "constant": lambda o: lrs.ConstantLR(o, 0.25, 3),
}
TABLES = {
    "cosine": lambda o: lrs.CosineAnnealingLR(o, 5),
    "warm-up": lambda o: lrs.LinearLR(o, 0.1, 1.0, 4),
    "polynomial": lambda o: lrs.PolynomialLR(o, 6, 2.0),
    "function": lambda o: lrs.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "restarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, 3),
    "one after the other": lambda o: lrs.SequentialLR(
        o, [lrs.LinearLR(o, 0.2, 1.0, 3), lrs.ExponentialLR(o, 0.9)], milestones=[3]
    ),
    "chained": lambda o: lrs.ChainedScheduler([lrs.ConstantLR(o, 0.5, 2), lrs.StepLR(o, 3)]),
}


def compare(schedule, optimizer, scheduler, start=0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer makes no steps here
        for epoch in range(EPOCHS):
            for step in range(epoch * STEPS, (epoch + 1) * STEPS):
                rate = optimizer.param_groups[0]["lr"]
                assert float(schedule(start + step)) == pytest.approx(rate, rel=1e-5, abs=1e-10)
            scheduler.step()


@pytest.mark.parametrize("name", STOCK)
def test_what_keras_has_is_stock(name):
    optimizer = sgd()
    scheduler = STOCK[name](optimizer)
    schedule = make_schedule(scheduler, steps_per_epoch=STEPS, epochs=None)
    assert type(schedule).__module__.startswith("keras")
    compare(schedule, optimizer, scheduler)


@pytest.mark.parametrize("name", TABLES)
def test_all_others_are_tables(name):
    optimizer = sgd()
    scheduler = TABLES[name](optimizer)
    with pytest.raises(InputError, match="epochs"):
        make_schedule(scheduler, steps_per_epoch=STEPS, epochs=None)
    schedule = make_schedule(scheduler, steps_per_epoch=STEPS, epochs=EPOCHS)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    compare(again, optimizer, scheduler)


def test_it_goes_on_from_where_the_scheduler_stands():
    optimizer = sgd()
    scheduler = STOCK["step"](optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            scheduler.step()
    schedule = make_schedule(scheduler, steps_per_epoch=STEPS, epochs=EPOCHS, start=9)
    assert isinstance(schedule, TorchSchedule)
    compare(schedule, optimizer, scheduler, start=9)


def test_the_schedule_of_each_batch():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = lrs.PolynomialLR(optimizer, 40, 2.0)
    schedule = make_schedule(scheduler, steps_per_epoch=1, epochs=None)
    assert type(schedule) is keras.optimizers.schedules.PolynomialDecay


def test_the_users_scheduler_stays_as_it_is():
    optimizer = sgd()
    scheduler = TABLES["one after the other"](optimizer)
    before = [group["lr"] for group in optimizer.param_groups], scheduler.last_epoch
    make_schedule(scheduler, steps_per_epoch=STEPS, epochs=EPOCHS)
    assert ([group["lr"] for group in optimizer.param_groups], scheduler.last_epoch) == before


def refusal(scheduler, **options):
    given = {"steps_per_epoch": STEPS, "epochs": EPOCHS, **options}
    with pytest.raises(InputError) as caught:
        make_schedule(scheduler, **given)
    return str(caught.value)


def test_what_has_no_equal_is_refused():
    plateau = refusal(lrs.ReduceLROnPlateau(sgd(), factor=0.3, patience=4))
    assert "keras.callbacks.ReduceLROnPlateau(factor=0.3, patience=4" in plateau
    cycle = refusal(lrs.OneCycleLR(sgd(momentum=0.9), 0.1, total_steps=40))
    assert "cycle_momentum=False" in cycle
    assert "in proportion" in refusal(lrs.CosineAnnealingLR(sgd(), 5, eta_min=0.01))
    assert "steps_per_epoch" in refusal(STOCK["step"](sgd()), steps_per_epoch=None)
