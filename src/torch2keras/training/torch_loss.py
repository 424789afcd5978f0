"""The base of Keras losses that compute by PyTorch's formulas."""

from __future__ import annotations

from typing import Any

import keras


class TorchLoss(keras.losses.Loss):  # type: ignore[misc]
    """One number for a batch: a sum, or a sum by what PyTorch divides it by.

    Raises ValueError for sample weights, which PyTorch's losses do not have.
    """

    def __init__(
        self, *, reduction: str = "mean", name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name=name, reduction=None, dtype=dtype)
        self.torch_reduction = reduction

    def total(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Return the sum, and what the mean divides it by."""
        raise NotImplementedError

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of a batch."""
        total, count = self.total(y_true, y_pred)
        return total if self.torch_reduction == "sum" else total / count

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if sample_weight is not None:
            message = f"{self.name} is PyTorch's, and has no weights of samples"
            raise ValueError(message)
        return super().__call__(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes."""
        dtype = None if self.dtype == keras.config.floatx() else self.dtype
        return {"name": self.name, "reduction": self.torch_reduction, "dtype": dtype}
