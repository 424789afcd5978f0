"""`loss`: a PyTorch loss as one of Keras."""

from __future__ import annotations

import keras
from torch import nn

from torch2keras.converted import Converted
from torch2keras.errors import InputError
from torch2keras.runtime.typed_errors import raise_typed_errors
from torch2keras.training.loss_table import TARGETS, ModelOutput, Target, make_loss


@raise_typed_errors
def loss(
    criterion: nn.Module,
    converted: Converted | None = None,
    *,
    output: int = 0,
    target: Target = "indices",
) -> keras.losses.Loss:
    """Return the Keras loss that computes what a loss of `torch.nn` does.

    It goes into `converted.model.compile`, and takes targets in the order of the model's output:
    `converted.outputs[0].from_torch(y)` for those of the output's shape. The classes of a cross
    entropy are the last dimension, or where the layout of `converted.outputs[output]` has
    PyTorch's second one; its targets are "indices" of classes or "probabilities". Keras's own loss
    where it is equal, otherwise PyTorch's formula (docs/training.md has the table).
    Raises InputError for a loss or an option that has no equal.
    """
    if target not in TARGETS:
        known = ", ".join(map(repr, TARGETS))
        raise InputError(f"no kind of targets: {target!r}", [("next", f"one of {known}")])
    port = None if converted is None else converted.outputs[output]
    return make_loss(criterion, ModelOutput(port, target))
