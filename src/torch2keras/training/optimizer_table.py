"""PyTorch's optimizers, and the class of ours or of Keras's that moves weights as each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import torch

from torch2keras.errors import InputError
from torch2keras.training.adaptive_formulas import (
    TorchAdam,
    TorchAdamax,
    TorchNAdam,
    TorchRAdam,
)
from torch2keras.training.averaging_formulas import TorchAdadelta, TorchAdagrad, TorchRMSprop
from torch2keras.training.gradient_descent import TorchSGD
from torch2keras.training.torch_optimizer import Options, TorchOptimizer

IMPLEMENTATION = frozenset(["foreach", "fused", "capturable", "differentiable"])
"""Options that say how PyTorch computes, not what."""

OF_GROUPS = frozenset(["params", "param_names", "lr", "initial_lr"])
"""Entries of a group that are no options of the formula."""


@dataclass(frozen=True)
class Formula:
    """An optimizer of PyTorch and ours."""

    name: str
    ours: type[TorchOptimizer]

    @property
    def defaults(self) -> Options:
        """The options of the formula with PyTorch's defaults."""
        return self.ours.DEFAULTS

    def read_options(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return a group's options as plain numbers. Raises InputError for one that is unknown."""
        options = {}
        for name, value in group.items():
            if name in OF_GROUPS or name in IMPLEMENTATION:
                continue
            if name not in self.defaults:
                if value in (None, False):
                    continue
                raise InputError(
                    f"{self.name} with {name}={value!r} has no equal in Keras",
                    [("next", f"leave {name} out, or train with keras.optimizers directly")],
                )
            options[name] = _as_plain(value)
        return options

    def mixes_decay(self, options: Options) -> bool:
        """Return whether weight decay goes into what gradients are divided by."""
        is_apart = self.ours is TorchSGD or options.get("decoupled_weight_decay")
        return bool(options["weight_decay"]) and not is_apart


def _as_plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.item()
    if isinstance(value, list | tuple):
        return tuple(_as_plain(item) for item in value)
    return value


FORMULAS: Mapping[type[torch.optim.Optimizer], Formula] = {
    torch.optim.SGD: Formula("SGD", TorchSGD),
    torch.optim.Adam: Formula("Adam", TorchAdam),
    torch.optim.AdamW: Formula("AdamW", TorchAdam),
    torch.optim.Adamax: Formula("Adamax", TorchAdamax),
    torch.optim.NAdam: Formula("NAdam", TorchNAdam),
    torch.optim.RAdam: Formula("RAdam", TorchRAdam),
    torch.optim.RMSprop: Formula("RMSprop", TorchRMSprop),
    torch.optim.Adagrad: Formula("Adagrad", TorchAdagrad),
    torch.optim.Adadelta: Formula("Adadelta", TorchAdadelta),
}


def find_formula(torch_optimizer: torch.optim.Optimizer) -> Formula:
    """Return what moves weights as this optimizer. Raises InputError where nothing does."""
    formula = FORMULAS.get(type(torch_optimizer))
    if formula is None:
        known = ", ".join(entry.name for entry in FORMULAS.values())
        raise InputError(
            f"{type(torch_optimizer).__name__} has no equal in Keras",
            [("known", known), ("next", "take one of these, or a class of keras.optimizers")],
        )
    return formula


def make_stock(formula: Formula, learning_rate: Any, options: Options) -> keras.Optimizer | None:
    """Return Keras's own optimizer where it computes the same; None where it does not.

    SGD without weight decay or damping does, as long as the rate stays or there is no momentum:
    Keras multiplies by the rate before the momentum.
    """
    if formula.ours is not TorchSGD or options["weight_decay"] or options["maximize"]:
        return None
    momentum, nesterov = options["momentum"], options["nesterov"]
    is_constant = isinstance(learning_rate, float)
    if momentum and (options["dampening"] or not is_constant):
        return None
    return keras.optimizers.SGD(learning_rate, momentum=momentum, nesterov=nesterov)
