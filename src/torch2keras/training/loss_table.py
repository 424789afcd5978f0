"""PyTorch's losses as Keras's own where these compute the same, and as ours elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras
import torch
from torch import nn

from torch2keras.conversion.ports import Port
from torch2keras.errors import InputError
from torch2keras.training.class_losses import TorchCrossEntropy, TorchSoftCrossEntropy
from torch2keras.training.value_losses import TorchValueLoss

Target = Literal["indices", "probabilities"]
"""What the targets of a cross entropy are; PyTorch sees it by their dtype."""

TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True)
class ModelOutput:
    """The output of the Keras model that a loss is for; without a port classes are last."""

    port: Port | None = None
    target: Target = "indices"

    @property
    def dtype(self) -> str | None:
        """What the loss computes in: float64 for a model that does."""
        is_wide = self.port is not None and self.port.dtype == "float64"
        return "float64" if is_wide else None

    @property
    def class_axis(self) -> int:
        """The dimension of the classes in Keras's order: PyTorch's second."""
        if self.port is None or len(self.port.permutation) < 2:
            return -1
        axis = self.port.permutation.index(1)
        return -1 if axis == len(self.port.permutation) - 1 else axis

    def store(self, tensor: torch.Tensor | None) -> Any:
        """Return what PyTorch broadcasts along an output, as nested lists in Keras's order."""
        if tensor is None:
            return None
        wide = tensor.detach().double()
        if self.port is not None and wide.ndim:
            rank = len(self.port.permutation)
            wide = wide.reshape((1,) * (rank - wide.ndim) + tuple(wide.shape))
            wide = wide.permute(self.port.permutation)
        return wide.tolist()


def make_loss(criterion: nn.Module, output: ModelOutput) -> keras.losses.Loss:
    """Return the Keras loss of a module of `torch.nn`. Raises InputError where there is none."""
    maker = _MAKERS.get(type(criterion))
    if maker is None:
        known = ", ".join(kind.__name__ for kind in _MAKERS)
        advice = "take one of these, or write it as a subclass of keras.losses.Loss"
        raise InputError(
            f"{type(criterion).__name__} has no equal in Keras",
            [("known", known), ("next", advice)],
        )
    if criterion.reduction == "none":
        raise InputError(
            'a loss of reduction="none" is no number that a model can be trained by',
            [("next", 'make it with reduction="mean" or "sum", as the training loop did')],
        )
    return maker(criterion, output)


def _cross_entropy(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    """Return Keras's own for means without weights; with indices only without smoothing."""
    smoothing = criterion.label_smoothing
    is_plain = criterion.weight is None and criterion.reduction == "mean"
    axis, dtype = output.class_axis, output.dtype
    if output.target == "probabilities":
        if is_plain:
            return keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=smoothing, axis=axis, dtype=dtype
            )
        return TorchSoftCrossEntropy(
            axis=axis,
            weight=_as_list(criterion.weight),
            label_smoothing=smoothing,
            reduction=criterion.reduction,
            dtype=dtype,
        )
    if is_plain and not smoothing and axis == -1:
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=criterion.ignore_index, dtype=dtype
        )
    return _from_indices(criterion, output, label_smoothing=smoothing)


def _log_likelihood(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    return _from_indices(criterion, output, is_log=True)


def _from_indices(criterion: Any, output: ModelOutput, **options: Any) -> keras.losses.Loss:
    return TorchCrossEntropy(
        axis=output.class_axis,
        weight=_as_list(criterion.weight),
        ignore_index=criterion.ignore_index,
        reduction=criterion.reduction,
        dtype=output.dtype,
        **options,
    )


def _as_list(weight: torch.Tensor | None) -> list[float] | None:
    return None if weight is None else weight.detach().double().tolist()


def _square(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    if criterion.reduction == "mean":
        return keras.losses.MeanSquaredError(dtype=output.dtype)
    return _by_value(criterion, output)


def _size(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    if criterion.reduction == "mean":
        return keras.losses.MeanAbsoluteError(dtype=output.dtype)
    return _by_value(criterion, output)


def _huber(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    if criterion.reduction == "mean":
        return keras.losses.Huber(delta=float(criterion.delta), dtype=output.dtype)
    return _by_value(criterion, output, delta=float(criterion.delta))


def _smooth(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    if criterion.reduction == "mean" and criterion.beta == 1:
        return keras.losses.Huber(delta=1.0, dtype=output.dtype)
    return _by_value(criterion, output, beta=float(criterion.beta))


def _binary(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    return _by_value(criterion, output)


def _binary_of_logits(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    has_weights = criterion.weight is not None or criterion.pos_weight is not None
    if criterion.reduction == "mean" and not has_weights:
        return keras.losses.BinaryCrossentropy(from_logits=True, dtype=output.dtype)
    return _by_value(criterion, output, pos_weight=output.store(criterion.pos_weight))


def _divergence(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    return _by_value(criterion, output, log_target=criterion.log_target)


def _poisson(criterion: Any, output: ModelOutput) -> keras.losses.Loss:
    if criterion.full:
        raise InputError(
            "PoissonNLLLoss with full=True has no equal in Keras",
            [("next", "leave full out: its term hangs on targets alone, and trains nothing")],
        )
    return _by_value(criterion, output, log_input=criterion.log_input, eps=criterion.eps)


def _by_value(criterion: Any, output: ModelOutput, **options: Any) -> keras.losses.Loss:
    return TorchValueLoss(
        type(criterion).__name__,
        options,
        weight=output.store(getattr(criterion, "weight", None)),
        reduction=criterion.reduction,
        dtype=output.dtype,
    )


_MAKERS: Mapping[type[nn.Module], Callable[[Any, ModelOutput], keras.losses.Loss]] = {
    nn.CrossEntropyLoss: _cross_entropy,
    nn.NLLLoss: _log_likelihood,
    nn.MSELoss: _square,
    nn.L1Loss: _size,
    nn.HuberLoss: _huber,
    nn.SmoothL1Loss: _smooth,
    nn.BCELoss: _binary,
    nn.BCEWithLogitsLoss: _binary_of_logits,
    nn.KLDivLoss: _divergence,
    nn.PoissonNLLLoss: _poisson,
    nn.SoftMarginLoss: _binary,
}
