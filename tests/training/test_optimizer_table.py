"""What optimizers become, and what is refused."""

from __future__ import annotations

import keras
import pytest
import torch

from torch2keras.errors import InputError
from torch2keras.training.optimizer_table import FORMULAS, find_formula, make_stock


def parameter():
    return [torch.nn.Parameter(torch.zeros(3))]


@pytest.mark.parametrize("cls", FORMULAS)
def test_the_options_of_each_are_known(cls):
    """And PyTorch's defaults are ours, but for weight decay, which AdamW has."""
    made = cls(parameter(), lr=0.1)
    formula = find_formula(made)
    options = formula.read_options(made.param_groups[0])
    assert set(options) == set(formula.defaults)
    if cls is not torch.optim.AdamW:
        assert options == formula.defaults


@pytest.mark.parametrize("cls", [torch.optim.LBFGS, torch.optim.Rprop, torch.optim.ASGD])
def test_others_are_refused_by_name(cls):
    with pytest.raises(InputError, match=f"{cls.__name__} has no equal"):
        find_formula(cls(parameter()))


def test_a_class_of_ones_own_is_none_of_pytorchs():
    class Mine(torch.optim.SGD):
        pass

    with pytest.raises(InputError, match="Mine"):
        find_formula(Mine(parameter(), lr=0.1))


def test_an_option_that_is_not_known_is_named():
    formula = find_formula(torch.optim.SGD(parameter(), lr=0.1))
    with pytest.raises(InputError, match="trust_ratio=True"):
        formula.read_options({"params": [], "lr": 0.1, "trust_ratio": True})


def test_only_plain_gradient_descent_is_stock():
    formula = find_formula(torch.optim.SGD(parameter(), lr=0.1))
    plain = dict(formula.defaults)
    assert type(make_stock(formula, 0.1, plain)) is keras.optimizers.SGD
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)
    momentum = {**plain, "momentum": 0.9}
    assert type(make_stock(formula, 0.1, momentum)) is keras.optimizers.SGD
    assert type(make_stock(formula, decay, plain)) is keras.optimizers.SGD
    assert make_stock(formula, decay, momentum) is None
    assert make_stock(formula, 0.1, {**plain, "weight_decay": 0.1}) is None
    assert make_stock(formula, 0.1, {**momentum, "dampening": 0.1}) is None
    adam = find_formula(torch.optim.Adam(parameter()))
    assert make_stock(adam, 0.1, dict(adam.defaults)) is None
