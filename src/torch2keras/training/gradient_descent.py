"""Stochastic gradient descent by PyTorch's formula."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import keras
from keras import ops

from torch2keras.training.torch_optimizer import PACKAGE, Moment, Options, TorchOptimizer


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchSGD(TorchOptimizer):
    """`torch.optim.SGD`: momentum with damping, Nesterov's, and weight decay in the gradient.

    Keras's own multiplies by the learning rate before the momentum and decays weights beside the
    gradient. https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """

    DEFAULTS: ClassVar[Options] = {
        "momentum": 0.0,
        "dampening": 0.0,
        "weight_decay": 0.0,
        "nesterov": False,
        "maximize": False,
    }

    def state_names(self, options: Options) -> Iterable[str]:
        """Yield the momentum's, where there is one."""
        return ["momentum_buffer"] if options["momentum"] else []

    def move(self, now: Moment) -> Any:
        """Return the parameter's next value.

        The sum of several parameters of equal gradients moves as often as far, and each of them
        decays on its own.
        """
        options = now.options
        step = now.gradient
        if options["weight_decay"]:
            step = step + now.parameter * (options["weight_decay"] / now.copies)
        momentum = options["momentum"]
        if momentum:
            buffer = now.state["momentum_buffer"] * momentum + step * (1 - options["dampening"])
            if options["dampening"]:  # the first step is not damped
                buffer = ops.where(now.step == 1, step, buffer)
            now.state["momentum_buffer"] = buffer
            step = step + buffer * momentum if options["nesterov"] else buffer
        return now.parameter - step * (now.rate * now.copies)
