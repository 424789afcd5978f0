"""Losses of classes by PyTorch's formulas: cross entropy, and that of log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from torch2keras.training.torch_loss import TorchLoss
from torch2keras.training.torch_optimizer import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchCrossEntropy(TorchLoss):
    """`torch.nn.CrossEntropyLoss` and `torch.nn.NLLLoss` of indices of classes.

    Predictions have the classes along `axis`, targets are indices in the shape without it; a last
    dimension of one more is passed over. The mean divides by the sum of the weights of the classes
    that targets name, those of `ignore_index` left out.
    https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """

    def __init__(
        self,
        *,
        axis: int = -1,
        weight: Sequence[float] | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        is_log: bool = False,
        reduction: str = "mean",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.axis, self.weight = axis, weight
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.is_log = is_log

    def total(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return the sum over all targets, and the sum of the weights of their classes."""
        scores = ops.moveaxis(y_pred, self.axis, -1)
        if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
            y_true = ops.squeeze(y_true, -1)
        logs = scores if self.is_log else ops.log_softmax(scores, axis=-1)
        known = y_true != self.ignore_index
        indices = ops.where(known, y_true, ops.zeros_like(y_true))
        count = scores.shape[-1]
        chosen = ops.one_hot(ops.cast(indices, "int32"), count, dtype=logs.dtype)
        chosen = chosen * ops.cast(known, logs.dtype)[..., None]
        weights = _as_tensor(self.weight, count, logs.dtype)
        divisor = ops.sum(chosen * weights)
        total = -ops.sum(ops.where(chosen != 0, logs * weights, ops.zeros_like(logs)))
        if self.label_smoothing:
            seen = ops.cast(known, logs.dtype)[..., None]
            smooth = -ops.sum(logs * weights * seen) / count
            total = (1 - self.label_smoothing) * total + self.label_smoothing * smooth
        return total, divisor

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "weight": self.weight,
            "ignore_index": self.ignore_index,
            "label_smoothing": self.label_smoothing,
            "is_log": self.is_log,
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class TorchSoftCrossEntropy(TorchLoss):
    """`torch.nn.CrossEntropyLoss` of probabilities of classes, in the predictions' shape.

    The mean divides by the number of targets, whatever their weights.
    """

    def __init__(
        self,
        *,
        axis: int = -1,
        weight: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.axis, self.weight = axis, weight
        self.label_smoothing = label_smoothing

    def total(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return the sum over all targets, and their number."""
        logs = ops.log_softmax(ops.moveaxis(y_pred, self.axis, -1), axis=-1)
        shares = ops.moveaxis(y_true, self.axis, -1)
        count = logs.shape[-1]
        if self.label_smoothing:
            shares = shares * (1 - self.label_smoothing) + self.label_smoothing / count
        total = -ops.sum(shares * logs * _as_tensor(self.weight, count, logs.dtype))
        return total, ops.cast(ops.size(logs) // count, logs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "weight": self.weight,
            "label_smoothing": self.label_smoothing,
        }


def _as_tensor(weight: Sequence[float] | None, count: int, dtype: Any) -> Any:
    """Return the weight of each class, one where none are given."""
    values = np.ones(count) if weight is None else np.array(weight)
    return ops.convert_to_tensor(values, dtype=keras.backend.standardize_dtype(dtype))
