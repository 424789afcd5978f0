"""Adam and its family by PyTorch's formulas.

Keras's own add epsilon in another place, compute `beta**step` in float32 and decay weights beside
the gradient throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import keras
from keras import ops

from torch2keras.training.torch_optimizer import PACKAGE, Moment, Options, TorchOptimizer

ADAM_DEFAULTS: Options = {
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 0.0,
    "maximize": False,
}


def decay(now: Moment) -> None:
    """Decay the parameter itself, or add the decay to the gradient, as the options say."""
    weight_decay = now.options["weight_decay"]
    if not weight_decay:
        return
    if now.options.get("decoupled_weight_decay"):
        now.parameter = now.parameter * (1 - now.rate * weight_decay)
    else:
        now.gradient = now.gradient + now.parameter * weight_decay


def follow_squares(now: Moment, name: str, share: float) -> Any:
    """Move a running average of the gradient's squares, and return it."""
    new = now.state[name] * (1 - share) + ops.square(now.gradient) * share
    now.state[name] = new
    return new


class _AdamLike(TorchOptimizer):
    """What has averages of the gradient and of its squares."""

    DEFAULTS: ClassVar[Options] = {**ADAM_DEFAULTS, "decoupled_weight_decay": False}

    def state_names(self, options: Options) -> Iterable[str]:
        """Yield both averages."""
        return ["exp_avg", "exp_avg_sq"]


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchAdam(_AdamLike):
    """`torch.optim.Adam`, and AdamW with `decoupled_weight_decay`.

    Epsilon is added to the root of the corrected average of squares.
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """

    DEFAULTS: ClassVar[Options] = {**_AdamLike.DEFAULTS, "amsgrad": False}

    def state_names(self, options: Options) -> Iterable[str]:
        """Yield the averages, and the largest of squares for AMSGrad."""
        names = ["exp_avg", "exp_avg_sq"]
        return [*names, "max_exp_avg_sq"] if options["amsgrad"] else names

    def move(self, now: Moment) -> Any:
        """Return the parameter's next value."""
        beta1, beta2 = now.options["betas"]
        decay(now)
        average = now.follow("exp_avg", now.gradient, 1 - beta1)
        squares = follow_squares(now, "exp_avg_sq", 1 - beta2)
        if now.options["amsgrad"]:
            squares = ops.maximum(now.state["max_exp_avg_sq"], squares)
            now.state["max_exp_avg_sq"] = squares
        root = ops.sqrt(squares) / ops.sqrt(now.correction(beta2)) + now.options["eps"]
        rate = now.rate * now.copies / now.correction(beta1)
        return now.parameter - rate * average / root


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchAdamax(TorchOptimizer):
    """The formula of `torch.optim.Adamax`.

    Epsilon is added to each gradient's size, before the maximum.
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adamax.html
    """

    DEFAULTS: ClassVar[Options] = ADAM_DEFAULTS

    def state_names(self, options: Options) -> Iterable[str]:
        """Yield the average and the largest size."""
        return ["exp_avg", "exp_inf"]

    def move(self, now: Moment) -> Any:
        """Return the parameter's next value."""
        beta1, beta2 = now.options["betas"]
        decay(now)
        average = now.follow("exp_avg", now.gradient, 1 - beta1)
        size = ops.abs(now.gradient) + now.options["eps"]
        largest = ops.maximum(now.state["exp_inf"] * beta2, size)
        now.state["exp_inf"] = largest
        rate = now.rate * now.copies / now.correction(beta1)
        return now.parameter - rate * average / largest


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchNAdam(_AdamLike):
    """`torch.optim.NAdam`, whose momentum grows by `momentum_decay`.

    https://docs.pytorch.org/docs/stable/generated/torch.optim.NAdam.html
    """

    DEFAULTS: ClassVar[Options] = {**_AdamLike.DEFAULTS, "momentum_decay": 4e-3}

    def scalar_names(self, options: Options) -> Iterable[str]:
        """Yield the product of all momenta."""
        return ["mu_product"]

    def move(self, now: Moment) -> Any:
        """Return the parameter's next value."""
        beta1, beta2 = now.options["betas"]
        decay(now)
        growth = now.options["momentum_decay"] * math.log(0.96)
        momentum = beta1 * (1 - 0.5 * ops.exp(now.step * growth))
        following = beta1 * (1 - 0.5 * ops.exp((now.step + 1) * growth))
        product = now.state["mu_product"] * momentum
        now.state["mu_product"] = product
        average = now.follow("exp_avg", now.gradient, 1 - beta1)
        squares = follow_squares(now, "exp_avg_sq", 1 - beta2)
        root = ops.sqrt(squares / now.correction(beta2)) + now.options["eps"]
        own = (1 - momentum) / (1 - product) * now.gradient
        carried = following / (1 - product * following) * average
        return now.parameter - now.rate * now.copies * (own + carried) / root


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchRAdam(_AdamLike):
    """`torch.optim.RAdam`: the adaptive step is rectified, and left out in the first steps.

    https://docs.pytorch.org/docs/stable/generated/torch.optim.RAdam.html
    """

    def move(self, now: Moment) -> Any:
        """Return the parameter's next value."""
        beta1, beta2 = now.options["betas"]
        decay(now)
        average = now.follow("exp_avg", now.gradient, 1 - beta1) / now.correction(beta1)
        squares = follow_squares(now, "exp_avg_sq", 1 - beta2)
        longest = 2 / (1 - beta2) - 1
        length = measure_average(now.step, beta2)
        is_long = length > 5
        safe = ops.where(is_long, length, ops.ones_like(length) * 6)
        spread = (safe - 4) * (safe - 2) * longest / ((longest - 4) * (longest - 2) * safe)
        root = ops.sqrt(squares) + now.options["eps"]
        adaptive = ops.sqrt(spread) * ops.sqrt(now.correction(beta2)) / root
        rate = now.rate * now.copies
        return now.parameter - rate * average * ops.where(is_long, adaptive, ops.ones_like(root))


def measure_average(step: Any, beta: float) -> Any:
    """Return RAdam's rho, `2 / (1 - beta) - 1 - 2 step beta**step / (1 - beta**step)`.

    The two terms are nearly equal in the first steps. With x = -step ln(beta) the second is
    2 / -ln(beta) * x / expm1(x), of which all but the first term of its series is subtracted here.
    """
    if beta == 0:
        return ops.ones_like(step)
    width = -2 / math.log(beta)
    x = step * -math.log(beta)
    series = x / 2 - x**2 / 12 + x**4 / 720 - x**6 / 30240
    far = ops.where(x < 0.3, ops.ones_like(x), x)
    missing = ops.where(x < 0.3, series, 1 - far / ops.expm1(far))
    return (2 / (1 - beta) - 1 - width) + width * missing
