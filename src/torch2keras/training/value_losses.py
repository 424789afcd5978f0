"""Losses that compare number by number, by PyTorch's formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from torch2keras.training.torch_loss import TorchLoss
from torch2keras.training.torch_optimizer import PACKAGE, Options

LOWEST_LOG = -100.0
"""PyTorch's bound for the logarithms of binary cross entropy."""


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchValueLoss(TorchLoss):
    """A loss of PyTorch's that is a sum over numbers; `kind` is the name of its class there.

    Targets have the predictions' shape; a last dimension of one may be left out. The mean divides
    by the count of numbers, "batchmean" by that of samples. `weight` multiplies the terms.
    """

    def __init__(
        self,
        kind: str,
        options: Options | None = None,
        *,
        weight: Any = None,
        reduction: str = "mean",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.kind, self.options, self.weight = kind, dict(options or {}), weight

    def total(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return the sum over all numbers, and their count or that of samples."""
        if y_true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
            y_true = y_true[..., None]
        terms = FORMULAS[self.kind](y_pred, y_true, self.options)
        if self.weight is not None:
            terms = terms * _as_tensor(self.weight, terms)
        shape = ops.shape(terms)
        count = shape[0] if self.torch_reduction == "batchmean" else math.prod(shape)
        return ops.sum(terms), ops.cast(count, terms.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        return {
            **super().get_config(),
            "kind": self.kind,
            "options": self.options,
            "weight": self.weight,
        }


def _as_tensor(values: Any, like: Any) -> Any:
    return ops.convert_to_tensor(
        np.array(values), dtype=keras.backend.standardize_dtype(like.dtype)
    )


def _square(x: Any, y: Any, _: Options) -> Any:
    return ops.square(x - y)


def _size(x: Any, y: Any, _: Options) -> Any:
    return ops.abs(x - y)


def _huber(x: Any, y: Any, options: Options) -> Any:
    delta = options["delta"]
    size = ops.abs(x - y)
    return ops.where(size <= delta, 0.5 * ops.square(size), delta * (size - 0.5 * delta))


def _smooth(x: Any, y: Any, options: Options) -> Any:
    beta = options["beta"]
    if beta == 0:
        return ops.abs(x - y)
    size = ops.abs(x - y)
    return ops.where(size < beta, 0.5 * ops.square(size) / beta, size - 0.5 * beta)


def _binary(x: Any, y: Any, _: Options) -> Any:
    return -(y * _log_within_bounds(x) + (1 - y) * _log_within_bounds(1 - x))


def _log_within_bounds(x: Any) -> Any:
    """Return a logarithm of at least -100, and its gradient, which is 0 below."""
    is_positive = x > 0
    logs = ops.log(ops.where(is_positive, x, ops.ones_like(x)))
    lowest = LOWEST_LOG * ops.ones_like(x)
    return ops.where(is_positive, ops.maximum(logs, lowest), lowest)


def _binary_of_logits(x: Any, y: Any, options: Options) -> Any:
    """(1 - y) x + p ln(1 + exp(-x)), where p is the weight of positive targets at these."""
    softplus = ops.log1p(ops.exp(-ops.abs(x))) + ops.relu(-x)
    if options.get("pos_weight") is None:
        return (1 - y) * x + softplus
    positive = 1 + (_as_tensor(options["pos_weight"], x) - 1) * y
    return (1 - y) * x + positive * softplus


def _divergence(x: Any, y: Any, options: Options) -> Any:
    if options["log_target"]:
        return ops.exp(y) * (y - x)
    is_positive = y > 0
    logs = ops.log(ops.where(is_positive, y, ops.ones_like(y)))
    return ops.where(is_positive, y * (logs - x), -y * x)


def _poisson(x: Any, y: Any, options: Options) -> Any:
    if options["log_input"]:
        return ops.exp(x) - y * x
    return x - y * ops.log(x + options["eps"])


def _soft_margin(x: Any, y: Any, _: Options) -> Any:
    return ops.softplus(-y * x)


FORMULAS: Mapping[str, Callable[[Any, Any, Options], Any]] = {
    "MSELoss": _square,
    "L1Loss": _size,
    "HuberLoss": _huber,
    "SmoothL1Loss": _smooth,
    "BCELoss": _binary,
    "BCEWithLogitsLoss": _binary_of_logits,
    "KLDivLoss": _divergence,
    "PoissonNLLLoss": _poisson,
    "SoftMarginLoss": _soft_margin,
}
"""The term of one number, by PyTorch's name of the loss, of predictions and targets."""
