"""RMSprop, Adagrad and Adadelta by PyTorch's formulas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import keras
from keras import ops

from torch2keras.training.adaptive_formulas import decay, follow_squares
from torch2keras.training.torch_optimizer import PACKAGE, Moment, Options, TorchOptimizer


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchRMSprop(TorchOptimizer):
    """`torch.optim.RMSprop`. Epsilon is added to the root; Keras's own adds it within.

    https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
    """

    DEFAULTS: ClassVar[Options] = {
        "alpha": 0.99,
        "eps": 1e-8,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "centered": False,
        "maximize": False,
    }

    def state_names(self, options: Options) -> Iterable[str]:
        """Yield the average of squares, and those that the options ask for."""
        names = ["square_avg"]
        if options["momentum"]:
            names.append("momentum_buffer")
        if options["centered"]:
            names.append("grad_avg")
        return names

    def move(self, now: Moment) -> Any:
        """Return the parameter's next value."""
        options = now.options
        decay(now)
        squares = follow_squares(now, "square_avg", 1 - options["alpha"])
        if options["centered"]:
            average = now.follow("grad_avg", now.gradient, 1 - options["alpha"])
            squares = squares - ops.square(average)
        step = now.gradient / (ops.sqrt(squares) + options["eps"])
        if options["momentum"]:
            step = now.state["momentum_buffer"] * options["momentum"] + step
            now.state["momentum_buffer"] = step
        return now.parameter - now.rate * now.copies * step


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchAdagrad(TorchOptimizer):
    """`torch.optim.Adagrad`. Epsilon is added to the root, and the rate decays by itself.

    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
    """

    DEFAULTS: ClassVar[Options] = {
        "lr_decay": 0.0,
        "weight_decay": 0.0,
        "initial_accumulator_value": 0.0,
        "eps": 1e-10,
        "maximize": False,
    }

    def state_names(self, options: Options) -> Iterable[str]:
        """Yield the sum of squares."""
        return ["sum"]

    def initial_value(self, name: str, options: Options) -> float:
        """Return what the sum begins with."""
        return float(options["initial_accumulator_value"])

    def move(self, now: Moment) -> Any:
        """Return the parameter's next value."""
        decay(now)
        total = now.state["sum"] + ops.square(now.gradient)
        now.state["sum"] = total
        rate = now.rate * now.copies / (1 + (now.step - 1) * now.options["lr_decay"])
        return now.parameter - rate * now.gradient / (ops.sqrt(total) + now.options["eps"])


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchAdadelta(TorchOptimizer):
    """`torch.optim.Adadelta`, with weight decay in the gradient.

    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adadelta.html
    """

    DEFAULTS: ClassVar[Options] = {
        "rho": 0.9,
        "eps": 1e-6,
        "weight_decay": 0.0,
        "maximize": False,
    }

    def state_names(self, options: Options) -> Iterable[str]:
        """Yield the averages of the squares of gradients and of steps."""
        return ["square_avg", "acc_delta"]

    def move(self, now: Moment) -> Any:
        """Return the parameter's next value."""
        options = now.options
        decay(now)
        share = 1 - options["rho"]
        squares = follow_squares(now, "square_avg", share)
        steps = ops.sqrt(now.state["acc_delta"] + options["eps"])
        step = steps / ops.sqrt(squares + options["eps"]) * now.gradient
        now.state["acc_delta"] = now.state["acc_delta"] * options["rho"] + ops.square(step) * share
        return now.parameter - now.rate * now.copies * step
