"""PyTorch's train mode as far as Keras has it: batch norms by statistics of the batch.

Dropouts stay idle, since no two libraries draw the same numbers. What forward does in train mode
alone is told by the capture's notes; such a module has its batch norms in train mode only.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.overrides import TorchFunctionMode

from torch2keras.conversion.record import Conversion
from torch2keras.runtime.native_attributes import instance_dict, submodules

_ONLY_DROPOUT = (nn.modules.dropout._DropoutNd, nn.RNNBase, nn.MultiheadAttention)  # noqa: SLF001
"""What train mode means dropout for, and nothing else."""

_DROPOUTS = frozenset(
    [
        *(
            functional.dropout,
            functional.dropout1d,
            functional.dropout2d,
            functional.dropout3d,
            functional.alpha_dropout,
        ),
        *(
            functional.feature_alpha_dropout,
            torch.dropout,
            torch.alpha_dropout,
            torch.feature_dropout,
        ),
        torch.feature_alpha_dropout,
    ]
)

_BATCH_NORM = inspect.signature(functional.batch_norm)


def set_train_mode(conversion: Conversion) -> None:
    """Switch the module's flags; within `isolate_module`, which brings them back."""
    facts = conversion.captured.training
    still = facts.fixed | set(find_frozen_norms(conversion))
    for path, part in submodules(conversion.module).items():
        attributes = instance_dict(part) or {}
        if path in still or "training" not in attributes or isinstance(part, _ONLY_DROPOUT):
            continue
        if isinstance(part, _NormBase) or not facts.train_only:
            attributes["training"] = True


def find_frozen_norms(conversion: Conversion) -> dict[str, str]:
    """Return the layers of batch norms whose parameters alone are frozen, by the module's path.

    PyTorch trains on with the statistics of the batch there, Keras with the moving ones.
    """
    fixed = conversion.captured.training.fixed
    frozen = {}
    for call, attribute, weight in conversion.lowered.graph.weights():
        if attribute != "moving_mean" or call.trainable:
            continue
        for name in weight.constant.paths:
            path = name.rpartition(".")[0]
            if path not in fixed:
                frozen[path] = call.name
    return frozen


def find_cumulative_norms(conversion: Conversion) -> list[str]:
    """Return the paths of batch norms whose statistics are averages of all batches there were."""
    found = []
    for path, part in submodules(conversion.module).items():
        if isinstance(part, _BatchNorm) and part.momentum is None and part.track_running_stats:
            found.append(path)
    return found


class KerasTraining(TorchFunctionMode):
    """Lets PyTorch train by Keras's rules: no dropout, and the biased variance in statistics.

    PyTorch moves a running variance by n / (n - 1) times the variance that it divides by, where n
    is how many numbers a channel has in the batch; Keras moves it by that variance itself.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DROPOUTS:
            return args[0] if args else kwargs["input"]
        if func is functional.batch_norm:
            given = _BATCH_NORM.bind(*args, **kwargs)
            given.apply_defaults()
            return _normalize(**given.arguments)
        return func(*args, **kwargs)


def _normalize(
    input: torch.Tensor,  # noqa: A002 - PyTorch's name of the argument
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    **options: Any,
) -> torch.Tensor:
    """Call PyTorch's batch norm, and move the running variance by the biased one."""
    if running_var is None or not options["training"]:
        return functional.batch_norm(input, running_mean, running_var, **options)
    moved = running_var.clone()  # which backward holds on to
    result = functional.batch_norm(input, running_mean, moved, **options)
    count = input.numel() // input.shape[1]
    with torch.no_grad():
        kept = running_var * (1 - options["momentum"])
        running_var.copy_(kept + (moved - kept) * ((count - 1) / count))
    return result
